"""What differs between two versions of conditions."""

from random import Random

import pytest

from diglot.conditions import tree
from diglot.conditions.differences import Differences, complete_differences, find_differences
from support.reporting import SEED


def rule(number: float) -> tree.Node:
    """Return a condition; every call makes another object."""
    return tree.Predicate("attributes.x", tree.Op.EQUALS, tree.Number(number))


def test_conditions_are_compared_by_identity() -> None:
    """An equal condition that is another object was replaced: 5 and 5.0 are two operands."""
    first, second = rule(5), rule(5.0)
    assert first == second
    before = {1: first, 2: second}
    nothing = frozenset[int]()
    assert find_differences(before, dict(before)) == Differences(nothing, nothing)
    assert find_differences(before, {1: first, 2: rule(5.0)}) == Differences(frozenset({2}), frozenset({2}))
    assert find_differences(before, {**before, 9: first}) == Differences(frozenset({9}), nothing)
    assert find_differences(before, {2: second}) == Differences(nothing, frozenset({1}))
    assert find_differences(before, {2: second, 1: first}) == Differences(nothing, nothing)


def test_random_versions(pytestconfig: pytest.Config) -> None:
    """Additions, replacements and removals are found in any order of numbers."""
    rng = Random(pytestconfig.stash[SEED])
    pool = [rule(number) for number in range(5)]
    before = dict.fromkeys(range(20), pool[0])
    for _ in range(300):
        after = {number: node for number, node in before.items() if rng.random() < 0.95}
        after |= {rng.randrange(30): rng.choice(pool) for _ in range(rng.randrange(3))}
        numbers = list(after)
        if rng.random() < 0.5:
            numbers.sort()
        after = {number: after[number] for number in numbers}
        differing = {
            number for number in before.keys() | after.keys() if before.get(number) is not after.get(number)
        }
        expected = Differences(frozenset(differing & after.keys()), frozenset(differing & before.keys()))
        assert find_differences(before, after) == expected
        assert complete_differences(before, after, expected.added) == expected
        before = after
