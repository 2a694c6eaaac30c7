"""The stored form of a condition."""

from random import Random

import pytest

from diglot.conditions import tree
from support import canonical, random_conditions


@pytest.mark.parametrize("seed", range(300))
def test_a_stored_tree_is_read_back(seed: int) -> None:
    """Nothing is lost, not even whether a number was written as 5 or 5.0."""
    node = canonical.read(random_conditions.condition(Random(seed)), "Africa/Cairo")
    stored = tree.encode(node)
    assert tree.decode(stored) == node
    assert tree.encode(tree.decode(stored)) == stored
