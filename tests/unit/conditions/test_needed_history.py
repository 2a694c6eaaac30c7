"""How far back conditions need events, and what is said of those that need more than is kept."""

import pytest

from diglot.conditions import tree
from diglot.conditions.computed.needed_history import (
    ALL_EVENTS,
    find_kept_fault,
    find_longest_need,
    iterate_needs,
)

DAY = 86_400_000_000
TWO = tree.Predicate("events.a.count.36h", tree.Op.GT, tree.Number(1))
TOTAL = tree.Predicate("events.a.count", tree.Op.GT, tree.Number(1))
OTHER = tree.Predicate("email", tree.Op.IS_SET)


@pytest.mark.parametrize(
    ("needed", "days", "fault"),
    [
        (ALL_EVENTS, 0, None),
        (0, 1, None),
        (DAY, 1, None),
        (DAY + 1, 1, "Needs events of up to 2 days, but the workspace keeps them for 1 day"),
        (3 * DAY, 2, "Needs events of up to 3 days, but the workspace keeps them for 2 days"),
        (ALL_EVENTS, 36_500, "Needs events of any age, but the workspace keeps them for 36,500 days"),
    ],
)
def test_faults(needed: int, days: int, fault: str | None) -> None:
    """A need is compared to the microsecond; 0 days are for ever."""
    assert find_kept_fault(needed, days) == fault


def test_needs_have_the_paths_of_their_rules() -> None:
    """Groups and negations are passed through; totals need nothing."""
    node = tree.All((OTHER, TOTAL, tree.Any((OTHER, tree.Not(TWO))), TWO))
    assert list(iterate_needs(node, ("conditions",))) == [
        (36 * DAY // 24, ("conditions", "rules", 2, "rules", 1, "field")),
        (36 * DAY // 24, ("conditions", "rules", 3, "field")),
    ]
    assert find_longest_need(node) == 36 * DAY // 24
    assert find_longest_need(tree.DRAFT) == 0
