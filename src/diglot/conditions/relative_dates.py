"""What time alone changes: predicates of days before now, and the instants at which they turn.

An edge is what such a predicate asks of one instant of a contact. Everything here follows from the three
meanings in semantics ("Operators"); instants are microseconds, spans exclude their end.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree
from diglot.conditions.tree import Op

# Later than any instant of the calendar: what never changes by itself changes then.
NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """A field that holds an instant, and what is asked of it in days before now."""

    field: str
    op: Op
    days: int

    @property
    def duration_us(self) -> int:
        """The days in microseconds."""
        return self.days * dates.DAY


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
    if edge.op is Op.EXACTLY_DAYS_AGO:
        return next_midnight(at, zone)
    turns = NEVER
    if (old := bisect_left(values, at - edge.duration_us)) < len(values):
        turns = values[old] + edge.duration_us + 1
    if edge.op is Op.IN_LAST_DAYS and (new := bisect_right(values, at)) < len(values):
        turns = min(turns, values[new])
    return turns


def windows_crossed(edge: RelativeDate, since: int, until: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Yield the spans of values of which an edge may say something else at `until` than it did at `since`."""
    if edge.op is Op.EXACTLY_DAYS_AGO:
        was, is_ = dates.local_date(since, zone), dates.local_date(until, zone)
        for day in (was, is_) if was != is_ else ():
            yield _span_days_ago(day, edge.days, zone)
        return
    yield since - edge.duration_us, until - edge.duration_us
    if edge.op is Op.IN_LAST_DAYS:
        yield since + 1, until + 1


def _span_days_ago(day: date, days: int, zone: ZoneInfo) -> tuple[int, int]:
    return dates.day_span(day - timedelta(days=days), zone)


def next_midnight(at: int, zone: ZoneInfo) -> int:
    """Return the instant at which the calendar day after `at` begins in a zone."""
    return dates.day_span(dates.local_date(at, zone), zone)[1]
