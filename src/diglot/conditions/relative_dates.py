"""What days before now mean, and when time alone changes whether an instant meets such a predicate.

`bounds` is the only place that knows the meanings of the three operators (semantics, "Operators"): the two
compilers, explain and the clock ask it. Instants are microseconds; bounds are half open.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree
from diglot.conditions.tree import Op

# Later than any instant of the calendar: what never changes by itself changes then.
NEVER: Final = 2**62
# The operators that count days of the calendar: their bounds move at midnights, and by other days than 24 h.
CALENDAR_OPS: Final = frozenset({Op.EXACTLY_DAYS_AGO})
# The bounds of the other operators are the same in every zone.
_ANY_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """A field that holds an instant, and what is asked of it in days before now."""

    field: str
    op: Op
    days: int

    @property
    def offsets(self) -> tuple[int, ...] | None:
        """The bounds as distances from now, None where they move at midnights only."""
        return None if self.op in CALENDAR_OPS else offsets(self.op, self.days)


def bounds(op: Op, days: int, now: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the instants from which (included) to which (excluded) a predicate of days is true."""
    if op is Op.EXACTLY_DAYS_AGO:
        return dates.day_span(dates.local_date(now, zone) - timedelta(days=days), zone)
    edge = now - days * dates.DAY
    return (edge, now + 1) if op is Op.IN_LAST_DAYS else (-NEVER, edge)


def offsets(op: Op, days: int) -> tuple[int, ...]:
    """Return the bounds that move with the clock, as distances from now, without one that has no end."""
    return tuple(bound for bound in bounds(op, days, 0, _ANY_ZONE) if bound != -NEVER)


def relative_dates_of(node: tree.Node) -> frozenset[RelativeDate]:
    """Return the edges of a condition; without any, time alone does not change who meets it."""
    return frozenset(
        RelativeDate(predicate.field, predicate.op, predicate.operand.value)
        for predicate in tree.predicates_of(node)
        if isinstance(predicate.operand, tree.Days)
    )


def next_flip(edge: RelativeDate, values: Sequence[int], at: int, zone: ZoneInfo) -> int:
    """Return an instant after `at` before which an edge says the same of each of some values, or NEVER.

    The values ascend.
    """
    if edge.offsets is None:
        return next_midnight(at, zone)
    flips = [NEVER]
    for offset in edge.offsets:
        if (place := bisect_left(values, at + offset)) < len(values):
            flips.append(flip_at(values[place], offset))
    return min(flips)


def flip_at(value: int, offset: int) -> int:
    """Return the instant at which a bound at a distance from now has passed a value."""
    return value - offset + 1


def windows_crossed(edge: RelativeDate, since: int, until: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Yield the spans of values of which an edge may say something else at `until` than it did at `since`."""
    low, high = bounds(edge.op, edge.days, since, zone)
    next_low, next_high = bounds(edge.op, edge.days, until, zone)
    if next_low >= high:
        # The bounds before and after have no instant in common.
        yield low, high
        yield next_low, next_high
        return
    if low != next_low:
        yield low, next_low
    if high != next_high:
        yield high, next_high


def next_midnight(at: int, zone: ZoneInfo) -> int:
    """Return the instant at which the calendar day after `at` begins in a zone."""
    return dates.day_span(dates.local_date(at, zone), zone)[1]
