"""Validation returns only the first faults of a condition that has thousands."""

import pytest

from diglot.conditions.check import MAX_FAULTS, check_condition
from diglot.conditions.unchecked import Unchecked, UncheckedGroup, UncheckedRule, Unreadable
from diglot.errors import Fault, InvalidInput

MANY = 10 * MAX_FAULTS


def _paths(written: Unchecked) -> list[tuple[str | int, ...]]:
    with pytest.raises(InvalidInput) as refused:
        check_condition(written)
    return [fault.path for fault in refused.value.faults]


def test_a_group_of_broken_rules() -> None:
    """The first hundred faults are returned, in the order of the document."""
    items = [Unreadable((Fault((index,), "broken"),)) for index in range(MANY)]
    assert _paths(UncheckedGroup("all", items, ())) == [(index,) for index in range(MAX_FAULTS)]


def test_a_list_of_invalid_values() -> None:
    """The same limit holds for the values of one rule."""
    leaf = UncheckedRule("total_opens", "in", ["x"] * MANY, (), ("field", "operator", "value"))
    assert _paths(leaf) == [("value", index) for index in range(MAX_FAULTS)]
