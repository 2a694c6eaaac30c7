"""The door keeps the first faults of a condition that has thousands."""

from zoneinfo import ZoneInfo

import pytest

from diglot.conditions.check import MOST_FAULTS, check
from diglot.conditions.unchecked import Broken, Group, Leaf, Written
from diglot.errors import Fault, Invalid

MANY = 10 * MOST_FAULTS


def _paths(written: Written) -> list[tuple[str | int, ...]]:
    with pytest.raises(Invalid) as refused:
        check(written, ZoneInfo("UTC"))
    return [fault.path for fault in refused.value.faults]


def test_a_group_of_broken_rules() -> None:
    """The first hundred faults are told, in the order of the document."""
    items = [Broken((Fault((index,), "broken"),)) for index in range(MANY)]
    assert _paths(Group("all", items, ())) == [(index,) for index in range(MOST_FAULTS)]


def test_a_list_of_unfit_values() -> None:
    """The same holds for the values of one rule."""
    leaf = Leaf("total_opens", "in", ["x"] * MANY, (), ("field", "operator", "value"))
    assert _paths(leaf) == [("value", index) for index in range(MOST_FAULTS)]
