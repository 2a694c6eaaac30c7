"""Computed fields of events: `events.NAME.count`, with a window too, `events.NAME.first_at` and `.last_at`.

A window asks how many events lie between now minus its length and now. At least N do exactly if the N-th
newest one lies there, and that does not depend on the length. So a rule about a window is *lowered* to
questions about this instant, the derived field `events.NAME.newest.N`, which no rule can name. A derived
field is an instant like any other: the clock, the index of conditions and the compilers need nothing more.
"""

import re
from functools import lru_cache
from math import ceil, floor
from typing import Any, Final, NamedTuple

from diglot.conditions import tree
from diglot.conditions.events.states import MAX_RECENT, EventState
from diglot.conditions.text import to_nfc
from diglot.conditions.tree import Op

EVENT_PREFIX: Final = "events."
MAX_NAME_LENGTH: Final = 100
# Compared with more, the newest instants of a state would not tell.
MAX_COUNT_IN_WINDOW: Final = MAX_RECENT - 1
_MAX_DAYS: Final = 36_500
_MINUTE: Final = 60 * 1_000_000
_UNITS: Final = {"d": 24 * 60 * _MINUTE, "h": 60 * _MINUTE, "m": _MINUTE}
_WINDOW: Final = r"[1-9][0-9]{0,4}[dhm]"
# Tried in this order, each with the longest possible name.
_FORMS: Final = (
    re.compile(r"events\.(?P<name>.+)\.(?P<part>count)", re.DOTALL),
    re.compile(rf"events\.(?P<name>.+)\.(?P<part>count)\.(?P<window>{_WINDOW})", re.DOTALL),
    re.compile(r"events\.(?P<name>.+)\.(?P<part>first_at|last_at)", re.DOTALL),
)
_SUM: Final = re.compile(rf"events\..+\.sum\.[^.]+(\.{_WINDOW})?", re.DOTALL)
_NEWEST: Final = re.compile(r"events\.(?P<name>.+)\.newest\.(?P<place>[0-9]+)", re.DOTALL)
_FORMS_IN_WORDS: Final = (
    "A field of events is events.NAME.count, events.NAME.count.WINDOW, events.NAME.first_at or "
    "events.NAME.last_at, where WINDOW is a number of days, hours or minutes such as 30d, 12h or 90m"
)
_ALWAYS: Final = tree.Predicate("status", Op.IS_SET)
_NEVER: Final = tree.Not(_ALWAYS)


class EventField(NamedTuple):
    """A computed field of the events of one name.

    `part` is `count`, `first_at`, `last_at`, or `newest` of a derived field, which has its `place` from 1.
    `window` is the length of a window in microseconds, 0 without one.
    """

    name: str
    part: str
    window: int = 0
    place: int = 0

    @property
    def is_instant(self) -> bool:
        """Whether the field is an instant, not a number."""
        return self.part != "count"

    def read(self, state: EventState | None) -> int | None:
        """Return the value of a field without a window in a state; None is the state of no events."""
        assert not self.window, "a window is lowered before"
        if self.part == "count":
            return 0 if state is None else state.count
        if state is None:
            return None
        if self.part == "newest":
            return state.recent[self.place - 1] if self.place <= len(state.recent) else None
        return state.first_at if self.part == "first_at" else state.last_at


def is_event_field(field: str) -> bool:
    """Tell whether a canonical name is that of a computed field of events."""
    return field.startswith(EVENT_PREFIX)


@lru_cache(maxsize=4_096)
def parse_event_field(field: str) -> EventField:
    """Return the parts of a field that conditions have, checked or derived."""
    found = _match_form(field)
    if found is None:
        derived = _NEWEST.fullmatch(field)
        assert derived is not None, field
        return EventField(derived["name"], "newest", place=int(derived["place"]))
    return found


def _match_form(field: str) -> EventField | None:
    for form in _FORMS:
        if (match := form.fullmatch(field)) is not None:
            return EventField(match["name"], match["part"], _length_of(match.groupdict().get("window")))
    return None


def _length_of(window: str | None) -> int:
    return 0 if window is None else int(window[:-1]) * _UNITS[window[-1]]


def normalize_event_field(spelling: str) -> str:
    """Return the canonical name of a field, in which the name of the events is in normal form C."""
    return to_nfc(spelling)


def find_event_field_fault(field: str) -> str | None:
    """Return what is wrong with a canonical name that begins as a computed field of events, or None."""
    found = _match_form(field)
    if found is None:
        if _SUM.fullmatch(field):
            return "Sums over events are not supported yet"
        return _FORMS_IN_WORDS
    if len(found.name) > MAX_NAME_LENGTH:
        return f"The name of an event has 1 to {MAX_NAME_LENGTH} characters"
    if found.window > _MAX_DAYS * _UNITS["d"]:
        return f"A window has at most {_MAX_DAYS} days"
    return None


def find_count_fault(field: str, operand: tree.Operand) -> str | None:
    """Return why the operand of a rule cannot be compared with a field of events, or None."""
    if operand is None or not parse_event_field(field).window:
        return None
    numbers = [one.value for one in tree.scalars_of(operand) if isinstance(one, tree.Number)]
    if any(number > MAX_COUNT_IN_WINDOW for number in numbers):
        return f"A count in a window is compared with at most {MAX_COUNT_IN_WINDOW}"
    return None


def lower_condition(node: tree.Node) -> tree.Node:
    """Return a condition without windows that is true of the same contacts at every instant."""
    if isinstance(node, tree.Predicate):
        return lower_predicate(node)
    if isinstance(node, tree.Not):
        item = lower_condition(node.item)
        return node if item is node.item else tree.Not(item)
    items = tuple(map(lower_condition, node.items))
    if all(map(_is, items, node.items)):
        return node
    return tree.All(items) if isinstance(node, tree.All) else tree.Any(items)


def _is(one: Any, other: Any) -> bool:
    return one is other


def lower_predicate(predicate: tree.Predicate) -> tree.Node:
    """Return a predicate, or what it means if it is about a window."""
    if not is_event_field(predicate.field):
        return predicate
    field = parse_event_field(predicate.field)
    return _lower_window(field, predicate) if field.window else predicate


def _lower_window(field: EventField, predicate: tree.Predicate) -> tree.Node:
    op = predicate.op
    if op is Op.IS_SET:
        return _ALWAYS
    assert predicate.operand is not None
    numbers = [one.value for one in tree.scalars_of(predicate.operand) if isinstance(one, tree.Number)]
    if op in (Op.EQUALS, Op.IN):
        equal = [_is_exactly(field, number) for number in numbers]
        return tree.Any((_NEVER, *equal))
    (number,) = numbers
    if op in (Op.GT, Op.LTE):
        more = _is_at_least(field, floor(number) + 1)
        return more if op is Op.GT else tree.Not(more)
    at_least = _is_at_least(field, ceil(number))
    return at_least if op is Op.GTE else tree.Not(at_least)


def _is_exactly(field: EventField, number: float) -> tree.Node:
    if number < 0 or number != floor(number):
        return _NEVER
    count = floor(number)
    return tree.All((_is_at_least(field, count), tree.Not(_is_at_least(field, count + 1))))


def _is_at_least(field: EventField, count: int) -> tree.Node:
    """Return the condition that at least so many events lie in the window."""
    if count <= 0:
        return _ALWAYS
    newest = f"{EVENT_PREFIX}{field.name}.newest.{count}"
    return tree.Predicate(newest, Op.IN_LAST_DAYS, tree.Window(field.window))
