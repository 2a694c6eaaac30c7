"""Relative dates: a verdict changes only for values in a crossed span, and never before its flip."""

from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates, tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.python_compiler import compile_to_python
from diglot.conditions.relative_dates import (
    NEVER,
    RelativeDate,
    bounds,
    next_flip,
    next_midnight,
    relative_dates_of,
    windows_crossed,
)
from diglot.conditions.tree import Op

NOW = 1_772_366_400_000_000
ZONES = [ZoneInfo(name) for name in ("UTC", "America/New_York", "Pacific/Apia", "Africa/Cairo")]
EDGES = [
    RelativeDate("last_opened_at", op, days)
    for op in (Op.IN_LAST_DAYS, Op.MORE_THAN_DAYS_AGO, Op.EXACTLY_DAYS_AGO)
    for days in (0, 1, 30)
]


def verdict(edge: RelativeDate, value: int, at: int, zone: ZoneInfo) -> bool:
    """Evaluate the compiled predicate."""
    node = tree.Predicate(edge.field, edge.op, tree.Days(edge.days))
    return bool(compile_to_python({1: node}, zone)(ContactView({edge.field: value}, {}, (), zone), at))


def test_the_bounds_are_half_open() -> None:
    """The first instant is within, the second is not; a day of the calendar ends at midnight."""
    cairo = ZONES[3]
    noon = 12 * 3_600 * dates.SECOND
    assert bounds(Op.IN_LAST_DAYS, 7, NOW, cairo) == (NOW - 7 * dates.DAY, NOW + 1)
    assert bounds(Op.MORE_THAN_DAYS_AGO, 7, NOW, cairo) == (-NEVER, NOW - 7 * dates.DAY)
    assert bounds(Op.EXACTLY_DAYS_AGO, 1, noon, ZONES[0]) == (-dates.DAY, 0)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.op} {edge.days}")
@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_the_compiled_predicate_has_the_same_bounds(edge: RelativeDate, zone: ZoneInfo) -> None:
    """The generated code holds distances from now in place of the bounds; both say the same."""
    rng = Random(f"{edge} {zone}")
    for _ in range(100):
        now = NOW + rng.randint(0, 400 * dates.DAY)
        low, high = bounds(edge.op, edge.days, now, zone)
        near = (bound + step for bound in (low, high) for step in (-1, 0, 1))
        for value in (one for one in (*near, rng.randint(low, high)) if one >= -NEVER):
            assert verdict(edge, value, now, zone) is (low <= value < high)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.op} {edge.days}")
@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_every_change_has_a_crossed_span(edge: RelativeDate, zone: ZoneInfo) -> None:
    """Between two instants a verdict changes only for values in the spans, and not before their flip."""
    rng = Random(f"{edge} {zone}")
    for _ in range(200):
        since = NOW + rng.randint(0, 400 * dates.DAY)
        until = since + rng.choice((1, dates.SECOND, 3_600 * dates.SECOND, dates.DAY, 3 * dates.DAY))
        near = rng.choice((since, until)) - rng.choice(
            (0, edge.days * dates.DAY, (edge.days + 1) * dates.DAY)
        )
        value = near + rng.choice((-1, 0, 1, rng.randint(-2 * dates.DAY, 2 * dates.DAY)))
        changed = verdict(edge, value, since, zone) != verdict(edge, value, until, zone)
        spans = list(windows_crossed(edge, since, until, zone))
        assert not changed or any(begin <= value < end for begin, end in spans)
        turns = next_flip(edge, sorted([value, value - dates.DAY]), since, zone)
        assert turns > since
        assert not changed or turns <= until


def test_past_values_have_no_flip() -> None:
    """A value that is older than the days never flips, unless days begin at midnights."""
    utc = ZONES[0]
    old = [NOW - 40 * dates.DAY]
    assert next_flip(RelativeDate("created_at", Op.IN_LAST_DAYS, 30), old, NOW, utc) == NEVER
    assert next_flip(RelativeDate("created_at", Op.MORE_THAN_DAYS_AGO, 30), old, NOW, utc) == NEVER
    midnight = next_midnight(NOW, utc)
    assert next_flip(RelativeDate("created_at", Op.EXACTLY_DAYS_AGO, 30), old, NOW, utc) == midnight
    assert midnight == NOW - NOW % dates.DAY + dates.DAY


def test_relative_dates_of_all_predicates_are_found() -> None:
    """Negated and nested predicates have them too; others have none."""
    days = tree.Predicate("created_at", Op.IN_LAST_DAYS, tree.Days(7))
    other = tree.Predicate("tags", Op.EQUALS, tree.Text("vip"))
    node = tree.All((other, tree.Not(tree.Any((days, other)))))
    assert relative_dates_of(node) == {RelativeDate("created_at", Op.IN_LAST_DAYS, 7)}
    assert relative_dates_of(other) == frozenset()
