"""Computed fields of events: counts and sums, with a window too, and the first and the last instant.

A *derived* field is one that no rule can name: `events.NAME.newest.N`, the N-th newest instant (see
`computed/event_windows`), and the *history fields*, those of the events that match the `where` of a rule.
Their values are computed of the single events of a contact (see `histories`), as is a place that no state
has.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from diglot.conditions.events.states import MAX_RECENT, REVENUE, EventState
from diglot.conditions.events.sum_tests import read_test
from diglot.conditions.fields import FieldKind, find_key_fault
from diglot.conditions.text import find_text_fault, normalize_name, to_nfc

EVENT_PREFIX: Final = "events."
MAX_NAME_LENGTH: Final = 100
# Longer names of history fields are not kept in caches, because those of a client could fill the memory.
MAX_CACHED_LENGTH: Final = 1_000
MAX_DAYS: Final = 36_500
_MINUTE: Final = 60 * 1_000_000
_INSTANTS: Final = frozenset({"first_at", "last_at", "newest", "jumps"})
_UNITS: Final = {"d": 24 * 60 * _MINUTE, "h": 60 * _MINUTE, "m": _MINUTE}
_WINDOW: Final = r"[1-9][0-9]{0,4}[dhm]"
# Tried in this order, each with the longest possible name.
_FORMS: Final = (
    re.compile(r"events\.(?P<name>.+)\.(?P<part>count)", re.DOTALL),
    re.compile(rf"events\.(?P<name>.+)\.(?P<part>count)\.(?P<window>{_WINDOW})", re.DOTALL),
    re.compile(r"events\.(?P<name>.+)\.(?P<part>first_at|last_at)", re.DOTALL),
    # The last part is a window if it has the form of one.
    re.compile(rf"events\.(?P<name>.+)\.(?P<part>sum)\.(?P<property>(?!{_WINDOW}$)[^.]+)", re.DOTALL),
    re.compile(
        rf"events\.(?P<name>.+)\.(?P<part>sum)\.(?P<property>[^.]+)\.(?P<window>{_WINDOW})", re.DOTALL
    ),
)
# No name holds U+0000, so no rule can name a field that begins so. The rest is the field as JSON.
_HISTORY_PREFIX: Final = f"{EVENT_PREFIX}\0"
_NEWEST: Final = re.compile(r"events\.(?P<name>.+)\.newest\.(?P<place>[0-9]+)", re.DOTALL)
_FORMS_IN_WORDS: Final = (
    "A field of events is events.NAME.count, events.NAME.first_at, events.NAME.last_at or "
    "events.NAME.sum.PROPERTY; after a count or a sum may come a window, a number of days, hours or minutes "
    "such as 30d, 12h or 90m"
)


class EventField(NamedTuple):
    """A computed field of the events of one name.

    `part` is `count`, `first_at`, `last_at` or `sum`, or that of a derived field: `newest`, which has its
    `place` from 1; `meets`, which is 1 if the sum meets a `test`, else 0; and `jumps`, the instants at which
    the sum begins or ceases to meet it. `window` is the length of a window in microseconds, 0 without one.
    `where` is the stored form of a group of rules that an event has to match, empty if all events count but
    those that machines caused. `summed` is the property that is added up.
    """

    name: str
    part: str
    window: int = 0
    place: int = 0
    where: str = ""
    summed: str = ""
    test: str = ""

    @property
    def needs_history(self) -> bool:
        """Whether the value follows from the single events of a contact, because no state has it."""
        if self.part == "meets" and self.summed != REVENUE:
            return True
        return bool(self.where) or self.place > MAX_RECENT or self.part == "jumps"

    @property
    def is_instant(self) -> bool:
        """Whether the field is an instant, not a number."""
        return self.part in _INSTANTS

    @property
    def kind(self) -> FieldKind:
        """The kind of the field."""
        return FieldKind.INSTANT if self.is_instant else FieldKind.NUMBER

    def read(self, state: EventState | None) -> int | None:
        """Return the value of a field without a window in a state; None is the state of no events.

        The state of events of which another property is summed has their sum in the place of the revenue.
        """
        assert not self.window, "a window is lowered before"
        if self.part == "count":
            return 0 if state is None else state.count
        if self.part == "meets":
            return int(read_test(self.test).meets(Decimal(0) if state is None else state.revenue))
        if state is None:
            return None
        assert self.part != "jumps", "a state does not have them"
        if self.part == "newest":
            return state.recent[self.place - 1] if self.place <= len(state.recent) else None
        return state.first_at if self.part == "first_at" else state.last_at


# A number or an instant, or the instants at which a sum jumps.
EventValue = int | tuple[int, ...]
_encode: Final = msgspec.json.Encoder().encode
_decode_field: Final = msgspec.json.Decoder(EventField).decode


def sort_places(fields: Mapping[str, EventField]) -> Sequence[tuple[int, str]]:
    """Return the places that fields are, each with the field, as `read_places` takes them."""
    return sorted((parsed.place, field) for field, parsed in fields.items() if parsed.place)


def read_places(
    places: Iterable[tuple[int, str]], instants: Sequence[int], values: dict[str, EventValue]
) -> None:
    """Add the values of fields that are places among instants, newest first, to those of others.

    It does what `EventField.read` does for each of them, because a write of an event reads most of them. The
    places ascend, and those beyond the instants have no values.
    """
    count = len(instants)
    for place, field in places:
        if place > count:
            break
        values[field] = instants[place - 1]


def is_event_field(field: str) -> bool:
    """Tell whether a canonical name is that of a computed field of events."""
    return field.startswith(EVENT_PREFIX)


def is_jumps_field(field: str) -> bool:
    """Tell whether a canonical name is that of a field that is several instants."""
    return is_history_field(field) and parse_event_field(field).part == "jumps"


def is_history_field(field: str) -> bool:
    """Tell whether a canonical name is that of a history field, which SQL cannot compute."""
    return field.startswith(_HISTORY_PREFIX)


def name_history_field(field: EventField) -> str:
    """Return the canonical name of a history field, which `parse_event_field` reads."""
    return _HISTORY_PREFIX + _encode(field).decode()


def parse_event_field(field: str) -> EventField:
    """Return the parts of a field that conditions have, checked or derived."""
    return _parse_short(field) if len(field) <= MAX_CACHED_LENGTH else _parse(field)


def _parse(field: str) -> EventField:
    if is_history_field(field):
        return _decode_field(field.removeprefix(_HISTORY_PREFIX))
    found = _match_form(field)
    if found is None:
        derived = _NEWEST.fullmatch(field)
        assert derived is not None, field
        return EventField(derived["name"], "newest", place=int(derived["place"]))
    return found


_parse_short: Final = lru_cache(maxsize=4_096)(_parse)


def _match_form(field: str) -> EventField | None:
    for form in _FORMS:
        if (match := form.fullmatch(field)) is not None:
            found = match.groupdict()
            window, summed = _length_of(found.get("window")), normalize_name(found.get("property", ""))
            return EventField(found["name"], found["part"], window, summed=summed)
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
        return _FORMS_IN_WORDS
    if found.part == "sum" and (fault := find_key_fault(found.summed)) is not None:
        return f"After `.sum.` comes the name of a property: {fault}"
    if len(found.name) > MAX_NAME_LENGTH:
        return f"The name of an event has 1 to {MAX_NAME_LENGTH} characters"
    if found.window > MAX_DAYS * _UNITS["d"]:
        return f"A window has at most {MAX_DAYS} days"
    return None
