"""Computed fields of events: `events.NAME.count`, with a window too, `events.NAME.first_at` and `.last_at`.

The *derived* field `events.NAME.newest.N`, the N-th newest instant, is one that no rule can name; see
`computed/event_windows`.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from diglot.conditions.events.states import EventState
from diglot.conditions.fields import FieldKind
from diglot.conditions.text import find_text_fault, to_nfc

EVENT_PREFIX: Final = "events."
MAX_NAME_LENGTH: Final = 100
MAX_DAYS: Final = 36_500
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

    @property
    def kind(self) -> FieldKind:
        """The kind of the field."""
        return FieldKind.INSTANT if self.is_instant else FieldKind.NUMBER

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
    if (fault := find_text_fault(field)) is not None:
        return fault
    found = _match_form(field)
    if found is None:
        if _SUM.fullmatch(field):
            return "Sums over events are not supported yet"
        return _FORMS_IN_WORDS
    if len(found.name) > MAX_NAME_LENGTH:
        return f"The name of an event has 1 to {MAX_NAME_LENGTH} characters"
    if found.window > MAX_DAYS * _UNITS["d"]:
        return f"A window has at most {MAX_DAYS} days"
    return None
