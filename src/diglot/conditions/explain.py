"""Explains why a contact matches a condition or not: the verdict on each part of the tree.

The generated function evaluates the predicates, as it does for memberships, and groups combine the results.
Nothing in this module evaluates a predicate itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import relative_dates, tree
from diglot.conditions.computed import anniversaries
from diglot.conditions.computed.samples import sample_of
from diglot.conditions.computed_fields import Anniversary, Sample
from diglot.conditions.contact_view import ContactView
from diglot.conditions.events.fields import EventField, parse_event_field
from diglot.conditions.events.states import EventState
from diglot.conditions.events.sum_tests import read_test
from diglot.conditions.histories.sums import ZERO, add_all, add_up_back, find_jumps
from diglot.conditions.python_compiler import compile_to_python


class Verdict(msgspec.Struct, frozen=True):
    """A node of a condition, whether the contact matches it, and the verdicts on its parts."""

    node: tree.Node
    matches: bool
    parts: tuple["Verdict", ...] = ()


def explain_condition(node: tree.Node, subject: ContactView, now: int, zone: ZoneInfo) -> Verdict:
    """Return the verdict on a condition and each of its parts for a contact at an instant (microseconds)."""
    if tree.is_draft(node):
        return Verdict(node, matches=False)
    # Keyed by the stored form, because 5 and 5.0 are equal in Python but distinct operands.
    predicates = list({tree.encode(predicate): predicate for predicate in tree.predicates_of(node)}.items())
    evaluate = compile_to_python(
        {number: predicate for number, (_, predicate) in enumerate(predicates)}, zone
    )
    matched = {predicates[number][0] for number in evaluate(subject, now)}
    return _explain_node(node, matched)


def _explain_node(node: tree.Node, matched: set[str]) -> Verdict:
    if isinstance(node, tree.Predicate):
        return Verdict(node, tree.encode(node) in matched)
    if isinstance(node, tree.Not):
        part = _explain_node(node.item, matched)
        return Verdict(node, not part.matches, (part,))
    parts = tuple(_explain_node(item, matched) for item in node.items)
    decide = all if isinstance(node, tree.All) else any
    return Verdict(node, decide(part.matches for part in parts), parts)


class Bounds(msgspec.Struct, frozen=True):
    """The instants that a relative date stands for: from `first` up to `last`, or before `end`."""

    first: int | None = None
    last: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class RuleEvents:
    """The events that a rule counts: what they add up to, and their amounts if a property is summed.

    The amounts are those of the newest instants of the state.
    """

    state: EventState | None = None
    amounts: Sequence[Decimal] = ()

    @property
    def recent(self) -> tuple[int, ...]:
        """The newest instants, newest first."""
        return () if self.state is None else self.state.recent

    def values_of(self, field: EventField) -> Sequence[int]:
        """Return the instants that a derived field is, the oldest first."""
        if field.part == "jumps":
            return find_jumps(add_up_back(self.recent, self.amounts), read_test(field.test).compare)
        value = field.read(self.state)
        return () if value is None else (value,)

    def total_within(self, field: EventField, within: tuple[int, ...]) -> int | Decimal | None:
        """Return the count, the sum or the instant of a field, given the instants in its window."""
        if field.part == "sum":
            if field.window:
                counted = frozenset(within)
                pairs = zip(self.recent, self.amounts, strict=True)
                return add_all([amount for at, amount in pairs if at in counted])
            return ZERO if self.state is None else self.state.revenue
        return len(within) if field.window else field.read(self.state)


class EventEvidence(msgspec.Struct, frozen=True):
    """What decides a rule about events: their number, their sum or an instant, the newest, and a window.

    `events` are the instants of those that the rule counts, newest first, among the newest that the state
    has. The result of the rule stays as it is until `until`, unless there are more events; None stands for
    ever.
    """

    value: int | Decimal | None
    events: tuple[int, ...]
    bounds: Bounds | None
    until: int | None


def find_evidence(predicate: tree.Predicate, counted: RuleEvents, now: int, zone: ZoneInfo) -> EventEvidence:
    """Return what decides a predicate on a field of events, given those that match its `where`."""
    field = parse_event_field(predicate.field)
    flips = [
        relative_dates.next_flip(relative_date, values, now, zone)
        for relative_date in relative_dates.relative_dates_of(predicate)
        if (values := counted.values_of(parse_event_field(relative_date.field)))
    ]
    until = min(flips, default=relative_dates.NEVER)
    bounds, within = None, counted.recent
    if field.window:
        bounds = Bounds(now - field.window, last=now)
        within = tuple(at for at in within if now - field.window <= at <= now)
    value = counted.total_within(field, within)
    return EventEvidence(value, within, bounds, None if until == relative_dates.NEVER else until)


def bounds_of(predicate: tree.Predicate, now: int, zone: ZoneInfo) -> Bounds | None:
    """Return the bounds of a relative date at an instant in a time zone; None for another predicate."""
    if not isinstance(predicate.operand, tree.Duration):
        return None
    low, high = relative_dates.bounds(predicate.op, predicate.operand, now, zone)
    first = None if low == -relative_dates.NEVER else low
    # An included instant is shown as the last one, because nobody writes the microsecond after it.
    if predicate.op in relative_dates.CLOSED_OPS:
        return Bounds(first, last=high - 1)
    return Bounds(first, end=high)


def compute_value(field: Sample | Anniversary, subject: ContactView, now: int) -> float | None:
    """Return the sample or anniversary of a contact at an instant, or None if it is missing."""
    if isinstance(field, Sample):
        return sample_of(subject.id, field.salt)
    month_day = subject.month_day(field.source)
    if month_day is None:
        return None
    return anniversaries.days_until(month_day, anniversaries.today(now, subject.zone))
