"""Relative dates: predicates that compare with now, and the instants at which time alone changes them.

`bounds` is the only function that knows the meanings of the operators (semantics, "Operators" and 34): the
two compilers, explain and the workspace clock call it. Instants are microseconds; bounds are half open.

The flip of a relative date is the instant at which its result changes for a value. Between two ticks the
values whose result can change form the windows that its bounds have crossed, so a tick evaluates only the
contacts with an instant in these windows. A predicate on an anniversary is a relative date, too: its values
are month-days (see `anniversaries`), and it flips at midnights.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree
from diglot.conditions.computed import anniversaries
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.computed_fields import ANNIVERSARY_PREFIX
from diglot.conditions.tree import Op

# Later than any instant of the calendar: the next change of what time does not change.
NEVER: Final = 2**62
# The operators that count calendar days: their bounds move at midnights, and days may last more or less than
# 24 h.
CALENDAR_OPS: Final = frozenset({Op.EXACTLY_DAYS_AGO})
_PAST_OPS: Final = frozenset({Op.IN_LAST_DAYS, Op.IN_LAST_HOURS})
_FUTURE_OPS: Final = frozenset({Op.IN_NEXT_DAYS, Op.IN_NEXT_HOURS})
# The operators whose last instant is included.
CLOSED_OPS: Final = _PAST_OPS | _FUTURE_OPS
# In microseconds.
_UNITS: Final = {tree.Days: dates.DAY, tree.Hours: 3_600 * dates.SECOND, tree.Window: 1}
# The bounds of the other operators are the same in every time zone.
_ANY_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class RelativeInstant:
    """A predicate in days, hours or a window before or after now on a field that holds an instant."""

    field: str
    op: Op
    duration: tree.Duration
    # The bounds as distances from now in microseconds, None if they move only at midnights; and the hash,
    # because a write of the field asks for both of each of its relative dates.
    offsets: tuple[int, ...] | None = dataclass_field(init=False, compare=False, repr=False)
    _hash: int = dataclass_field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        moving = None if self.op in CALENDAR_OPS else offsets(self.op, self.duration)
        object.__setattr__(self, "offsets", moving)
        object.__setattr__(self, "_hash", hash((self.field, self.op, self.duration.value)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class RelativeAnniversary:
    """A predicate on an anniversary, as the mask of the distances (days from today) for which it is true.

    `field` is the computed field, under which the instant index has month-days in place of instants.
    """

    field: str
    distances: int
    # Its bounds move at midnights.
    offsets: None = dataclass_field(init=False, default=None, compare=False, repr=False)


RelativeDate = RelativeInstant | RelativeAnniversary


def bounds(op: Op, duration: tree.Duration, now: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first instant that matches a relative predicate, and the first one after these."""
    if op is Op.EXACTLY_DAYS_AGO:
        return dates.day_span(dates.local_date(now, zone) - timedelta(days=duration.value), zone)
    length = duration.value * _UNITS[type(duration)]
    if op in _FUTURE_OPS:
        return now, now + length + 1
    return (now - length, now + 1) if op in _PAST_OPS else (-NEVER, now - length)


def offsets(op: Op, duration: tree.Duration) -> tuple[int, ...]:
    """Return the bounds that move with the clock, as distances from now; an open bound is left out."""
    return tuple(bound for bound in bounds(op, duration, 0, _ANY_ZONE) if bound != -NEVER)


def relative_dates_of(node: tree.Node) -> frozenset[RelativeDate]:
    """Return the relative dates of a condition; without any, time alone never changes its matches."""
    found = (_relative_date_of(predicate) for predicate in tree.predicates_of(lower_condition(node)))
    return frozenset(relative_date for relative_date in found if relative_date is not None)


def _relative_date_of(predicate: tree.Predicate) -> RelativeDate | None:
    field, op, operand = predicate.field, predicate.op, predicate.operand
    if isinstance(operand, tree.Duration):
        return RelativeInstant(field, op, operand)
    if field.startswith(ANNIVERSARY_PREFIX):
        distances = anniversaries.matching_distances(op, operand)
        # Whoever has a date matches every day, or no day.
        if 0 < distances < anniversaries.EVERY_DISTANCE:
            return RelativeAnniversary(field, distances)
    return None


def next_flip(relative_date: RelativeDate, values: Sequence[int], at: int, zone: ZoneInfo) -> int:
    """Return an instant after `at` before which the result changes for none of the values, or NEVER.

    The values are in ascending order.
    """
    if relative_date.offsets is None:
        return next_midnight(at, zone)
    first = NEVER
    for offset in relative_date.offsets:
        index = bisect_left(values, at + offset)
        if index < len(values) and (flip := flip_at(values[index], offset)) < first:
            first = flip
    return first


def flip_at(value: int, offset: int) -> int:
    """Return the instant at which a bound at a distance from now has passed a value."""
    return value - offset + 1


def windows_crossed(
    relative_date: RelativeDate, since: int, until: int, zone: ZoneInfo
) -> Iterator[tuple[int, int]]:
    """Yield the spans of values whose result may differ between `since` and `until`."""
    if isinstance(relative_date, RelativeAnniversary):
        before, after = (
            anniversaries.matching_month_days(relative_date.distances, anniversaries.today(at, zone))
            for at in (since, until)
        )
        yield from anniversaries.runs_of(before ^ after)
        return
    low, high = bounds(relative_date.op, relative_date.duration, since, zone)
    next_low, next_high = bounds(relative_date.op, relative_date.duration, until, zone)
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
