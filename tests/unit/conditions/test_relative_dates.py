"""Relative dates: a verdict changes only for values in a crossed span, and never before its flip."""

from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates, tree
from diglot.conditions.analysis.next_changes import NextChanges
from diglot.conditions.contact_view import ContactView
from diglot.conditions.operands import DAY_OPS, HOUR_OPS
from diglot.conditions.python_compiler import compile_to_python
from diglot.conditions.relative_dates import (
    NEVER,
    RelativeInstant,
    bounds,
    next_flip,
    next_midnight,
    relative_dates_of,
    windows_crossed,
)
from diglot.conditions.tree import Op

NOW = 1_772_366_400_000_000
ZONES = [ZoneInfo(name) for name in ("UTC", "America/New_York", "Pacific/Apia", "Africa/Cairo")]
HOUR = 3_600 * dates.SECOND
EDGES = [
    *(
        RelativeInstant("last_opened_at", op, tree.Days(days))
        for op in sorted(DAY_OPS)
        for days in (0, 1, 30)
    ),
    *(
        RelativeInstant("last_opened_at", op, tree.Hours(hours))
        for op in sorted(HOUR_OPS)
        for hours in (0, 1, 30)
    ),
]
every_edge = pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.op} {edge.duration.value}")


def verdict(edge: RelativeInstant, value: int, at: int, zone: ZoneInfo) -> bool:
    """Evaluate the compiled predicate."""
    node = tree.Predicate(edge.field, edge.op, edge.duration)
    return bool(compile_to_python({1: node}, zone)(ContactView({edge.field: value}, {}, (), zone), at))


def test_the_bounds_are_half_open() -> None:
    """The first instant is within, the second is not; a day of the calendar ends at midnight."""
    cairo = ZONES[3]
    noon = 12 * 3_600 * dates.SECOND
    days, hours = tree.Days(7), tree.Hours(7)
    assert bounds(Op.IN_LAST_DAYS, days, NOW, cairo) == (NOW - 7 * dates.DAY, NOW + 1)
    assert bounds(Op.MORE_THAN_DAYS_AGO, days, NOW, cairo) == (-NEVER, NOW - 7 * dates.DAY)
    assert bounds(Op.IN_NEXT_DAYS, days, NOW, cairo) == (NOW, NOW + 7 * dates.DAY + 1)
    assert bounds(Op.IN_LAST_HOURS, hours, NOW, cairo) == (NOW - 7 * HOUR, NOW + 1)
    assert bounds(Op.MORE_THAN_HOURS_AGO, hours, NOW, cairo) == (-NEVER, NOW - 7 * HOUR)
    assert bounds(Op.IN_NEXT_HOURS, hours, NOW, cairo) == (NOW, NOW + 7 * HOUR + 1)
    assert bounds(Op.EXACTLY_DAYS_AGO, tree.Days(1), noon, ZONES[0]) == (-dates.DAY, 0)


@pytest.mark.one_in(4)
@every_edge
@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_the_compiled_predicate_has_the_same_bounds(edge: RelativeInstant, zone: ZoneInfo) -> None:
    """The generated code holds distances from now in place of the bounds; both say the same."""
    rng = Random(f"{edge} {zone}")
    for _ in range(100):
        now = NOW + rng.randint(0, 400 * dates.DAY)
        low, high = bounds(edge.op, edge.duration, now, zone)
        near = (bound + step for bound in (low, high) for step in (-1, 0, 1))
        for value in (one for one in (*near, rng.randint(low, high)) if one >= -NEVER):
            assert verdict(edge, value, now, zone) is (low <= value < high)


@pytest.mark.one_in(4)
@every_edge
@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_every_change_has_a_crossed_span(edge: RelativeInstant, zone: ZoneInfo) -> None:
    """Between two instants a verdict changes only for values in the spans, and not before their flip."""
    rng = Random(f"{edge} {zone}")
    for _ in range(200):
        since = NOW + rng.randint(0, 400 * dates.DAY)
        until = since + rng.choice((1, dates.SECOND, 3_600 * dates.SECOND, dates.DAY, 3 * dates.DAY))
        length = edge.duration.value * (HOUR if isinstance(edge.duration, tree.Hours) else dates.DAY)
        near = rng.choice((since, until)) - rng.choice((0, length, -length, length + dates.DAY))
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
    assert next_flip(RelativeInstant("created_at", Op.IN_LAST_DAYS, tree.Days(30)), old, NOW, utc) == NEVER
    assert (
        next_flip(RelativeInstant("created_at", Op.MORE_THAN_DAYS_AGO, tree.Days(30)), old, NOW, utc) == NEVER
    )
    midnight = next_midnight(NOW, utc)
    assert (
        next_flip(RelativeInstant("created_at", Op.EXACTLY_DAYS_AGO, tree.Days(30)), old, NOW, utc)
        == midnight
    )
    assert midnight == NOW - NOW % dates.DAY + dates.DAY


def test_a_flip_is_exact() -> None:
    """What lies ahead enters its length before the instant, and leaves a microsecond after it."""
    utc, value = ZONES[0], NOW + 30 * dates.DAY
    ahead = RelativeInstant("created_at", Op.IN_NEXT_DAYS, tree.Days(7))
    assert next_flip(ahead, [value], NOW, utc) == value - 7 * dates.DAY
    assert next_flip(ahead, [value], value - 7 * dates.DAY, utc) == value + 1
    assert next_flip(ahead, [value], value + 1, utc) == NEVER
    last = RelativeInstant("created_at", Op.IN_LAST_HOURS, tree.Hours(7))
    assert next_flip(last, [value], NOW, utc) == value
    assert next_flip(last, [value], value, utc) == value + 7 * HOUR + 1


@every_edge
def test_a_late_value_flips_no_earlier_than_the_next_change(edge: RelativeInstant) -> None:
    """A value that cannot lower the next change of a segment has no flip before it."""
    for later in (1, HOUR, 40 * dates.DAY):
        changes = NextChanges.build(1, {7: NOW + later}, {edge: [7]}, {edge.field: [edge]})
        for length in (0, 1, HOUR, 30 * HOUR, dates.DAY, 30 * dates.DAY, 50 * dates.DAY):
            for value in (NOW + sign * length + step for sign in (-1, 1) for step in (-1, 0, 1)):
                may_lower = changes.may_lower(edge.field, value, NOW)
                assert may_lower or next_flip(edge, (value,), NOW, ZONES[0]) >= NOW + later


def test_a_new_event_is_late_beside_an_older_one() -> None:
    """An instant of now leaves the window after the one for which the next change was found."""
    edge = RelativeInstant("last_opened_at", Op.IN_LAST_DAYS, tree.Days(7))
    changes = NextChanges.build(1, {7: NOW - HOUR + 7 * dates.DAY + 1}, {edge: [7]}, {edge.field: [edge]})
    assert [changes.may_lower(edge.field, NOW - before, NOW) for before in (0, HOUR, 2 * HOUR)] == [
        *(False, False, True)
    ]


def test_relative_dates_of_all_predicates_are_found() -> None:
    """Negated and nested predicates have them too; others have none."""
    days = tree.Predicate("created_at", Op.IN_LAST_DAYS, tree.Days(7))
    other = tree.Predicate("tags", Op.EQUALS, tree.Text("vip"))
    node = tree.All((other, tree.Not(tree.Any((days, other)))))
    assert relative_dates_of(node) == {RelativeInstant("created_at", Op.IN_LAST_DAYS, tree.Days(7))}
    assert relative_dates_of(other) == frozenset()
