"""Relative dates: predicates in days before now, and the instants at which time alone changes their result.

`bounds` is the only function that knows the meanings of the three operators (semantics, "Operators"): the two
compilers, explain and the workspace clock call it. Instants are microseconds; bounds are half open.

The flip of a relative date is the instant at which its result changes for a value. Between two ticks the
values whose result can change form the windows that its bounds have crossed, so a tick evaluates only the
contacts with an instant in these windows.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree
from diglot.conditions.events.fields import lower_condition
from diglot.conditions.tree import Op

# Later than any instant of the calendar: the next change of what time does not change.
NEVER: Final = 2**62
# The operators that count calendar days: their bounds move at midnights, and days may last more or less than
# 24 h.
CALENDAR_OPS: Final = frozenset({Op.EXACTLY_DAYS_AGO})
# The bounds of the other operators are the same in every time zone.
_ANY_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """A predicate in days before now on a field that holds an instant.

    `days` may be of another `unit`, which is in microseconds.
    """

    field: str
    op: Op
    days: int
    unit: int = dates.DAY
    # The bounds as distances from now in microseconds, None if they move only at midnights; and the hash,
    # because a write of the field asks for both of each of its relative dates.
    offsets: tuple[int, ...] | None = dataclass_field(init=False, compare=False, repr=False)
    _hash: int = dataclass_field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        moving = None if self.op in CALENDAR_OPS else offsets(self.op, self.days, self.unit)
        object.__setattr__(self, "offsets", moving)
        object.__setattr__(self, "_hash", hash((self.field, self.op, self.days, self.unit)))

    def __hash__(self) -> int:
        return self._hash


def bounds(op: Op, days: int, now: int, zone: ZoneInfo, unit: int = dates.DAY) -> tuple[int, int]:
    """Return the first instant that matches a predicate in days, or units, and the first one after these."""
    if op is Op.EXACTLY_DAYS_AGO:
        return dates.day_span(dates.local_date(now, zone) - timedelta(days=days), zone)
    cutoff = now - days * unit
    return (cutoff, now + 1) if op is Op.IN_LAST_DAYS else (-NEVER, cutoff)


def offsets(op: Op, days: int, unit: int = dates.DAY) -> tuple[int, ...]:
    """Return the bounds that move with the clock, as distances from now; an open bound is left out."""
    return tuple(bound for bound in bounds(op, days, 0, _ANY_ZONE, unit) if bound != -NEVER)


def unit_of(distance: tree.Distance) -> int:
    """Return the unit of an operand, in microseconds."""
    return dates.DAY if isinstance(distance, tree.Days) else 1


def relative_dates_of(node: tree.Node) -> frozenset[RelativeDate]:
    """Return the relative dates of a condition; without any, time alone never changes its matches."""
    return frozenset(
        RelativeDate(predicate.field, predicate.op, predicate.operand.value, unit_of(predicate.operand))
        for predicate in tree.predicates_of(lower_condition(node))
        if isinstance(predicate.operand, tree.Distance)
    )


def next_flip(relative_date: RelativeDate, values: Sequence[int], at: int, zone: ZoneInfo) -> int:
    """Return an instant after `at` before which the result changes for none of the values, or NEVER.

    The values are in ascending order.
    """
    if relative_date.offsets is None:
        return next_midnight(at, zone)
    flips = [NEVER]
    for offset in relative_date.offsets:
        if (index := bisect_left(values, at + offset)) < len(values):
            flips.append(flip_at(values[index], offset))
    return min(flips)


def flip_at(value: int, offset: int) -> int:
    """Return the instant at which a bound at a distance from now has passed a value."""
    return value - offset + 1


def windows_crossed(
    relative_date: RelativeDate, since: int, until: int, zone: ZoneInfo
) -> Iterator[tuple[int, int]]:
    """Yield the spans of values whose result may differ between `since` and `until`."""
    of_date = partial(bounds, relative_date.op, relative_date.days, zone=zone, unit=relative_date.unit)
    low, high = of_date(now=since)
    next_low, next_high = of_date(now=until)
    if next_low >= high:
        # The spans before and after do not overlap.
        yield low, high
        yield next_low, next_high
        return
    if low != next_low:
        yield low, next_low
    if high != next_high:
        yield high, next_high


def next_midnight(at: int, zone: ZoneInfo) -> int:
    """Return the first instant of the calendar day after `at` in a time zone."""
    return dates.day_span(dates.local_date(at, zone), zone)[1]
