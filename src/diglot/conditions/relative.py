"""What time alone changes: predicates of days before now, and the instants at which they turn.

An edge is what such a predicate asks of one instant of a contact. Everything here follows from the three
meanings in semantics ("Operators"); instants are microseconds, spans exclude their end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree
from diglot.conditions.operands import DAY_OPS
from diglot.conditions.tree import Op

# Later than any instant of the calendar: what never changes by itself changes then.
NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Edge:
    """A field that holds an instant, and what is asked of it in days before now."""

    field: str
    op: Op
    days: int

    @property
    def span(self) -> int:
        """The days in microseconds."""
        return self.days * dates.DAY


def edges_of(node: tree.Node) -> frozenset[Edge]:
    """Return the edges of a condition; without any, time alone does not change who meets it."""
    return frozenset(_edges(node))


def _edges(node: tree.Node) -> Iterator[Edge]:
    if isinstance(node, tree.Predicate):
        if node.op in DAY_OPS:
            assert isinstance(node.operand, tree.Days)
            yield Edge(node.field, node.op, node.operand.value)
        return
    for item in (node.item,) if isinstance(node, tree.Not) else node.items:
        yield from _edges(item)


def turns_after(edge: Edge, value: int, at: int, zone: ZoneInfo) -> int:
    """Return the first instant after `at` at which an edge can say something else of a value, or NEVER."""
    if edge.op is Op.IN_LAST_DAYS:
        turns: tuple[int, ...] = (value, value + edge.span + 1)
    elif edge.op is Op.MORE_THAN_DAYS_AGO:
        turns = (value + edge.span + 1,)
    else:
        turns = _days_of(edge, value, zone)
    return min((turn for turn in turns if turn > at), default=NEVER)


def _days_of(edge: Edge, value: int, zone: ZoneInfo) -> tuple[int, ...]:
    try:
        day = dates.today(value, zone) + timedelta(days=edge.days)
    except OverflowError:
        return ()
    return dates.day_span(day, zone)


def crossed(edge: Edge, since: int, until: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Yield the spans of values of which an edge may say something else at `until` than it did at `since`."""
    if edge.op is Op.EXACTLY_DAYS_AGO:
        was, is_ = dates.today(since, zone), dates.today(until, zone)
        for day in (was, is_) if was != is_ else ():
            yield _span(day, edge.days, zone)
        return
    yield since - edge.span, until - edge.span
    if edge.op is Op.IN_LAST_DAYS:
        yield since + 1, until + 1


def _span(day: date, days: int, zone: ZoneInfo) -> tuple[int, int]:
    return dates.day_span(day - timedelta(days=days), zone)


def next_midnight(at: int, zone: ZoneInfo) -> int:
    """Return the instant at which the calendar day after `at` begins in a zone."""
    return dates.day_span(dates.today(at, zone), zone)[1]
