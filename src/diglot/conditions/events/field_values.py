"""The fields of events that conditions have, by the names of the events, and their values for a contact.

Those that a state does not have are in `histories`.
"""

from collections.abc import Iterable, Mapping, Sequence

from diglot.conditions.events.fields import (
    EventField,
    EventValue,
    is_event_field,
    parse_event_field,
    read_places,
    sort_places,
)
from diglot.conditions.events.states import EventState


class EventFields:
    """The fields of events among those that conditions mention: `by_event` has them by name and by field."""

    def __init__(self, mentioned: Iterable[str]) -> None:
        self.by_event: dict[str, dict[str, EventField]] = {}
        # Places among the newest events, and the other fields, by the names of the events.
        self._places: dict[str, Sequence[tuple[int, str]]] = {}
        self._others: dict[str, list[tuple[str, EventField]]] = {}
        for field in filter(is_event_field, mentioned):
            parsed = parse_event_field(field)
            if not parsed.needs_history:
                self.by_event.setdefault(parsed.name, {})[field] = parsed
        for name, fields in self.by_event.items():
            self._places[name] = sort_places(fields)
            self._others[name] = [(field, parsed) for field, parsed in fields.items() if not parsed.place]

    def read_values(self, states: Mapping[str, EventState]) -> dict[str, EventValue]:
        """Return the values of the fields, given the states of a contact by the names of events.

        Those that are as if the contact had no such events are left out.
        """
        values: dict[str, EventValue] = {}
        for name in self.by_event.keys() & states.keys():
            self.read_into(values, name, states[name])
        return values

    def read_into(self, values: dict[str, EventValue], name: str, state: EventState | None) -> None:
        """Add the values of the fields of one name, given its state, as `read_values` returns them."""
        if state is None or name not in self.by_event:
            return
        read_places(self._places[name], state.recent, values)
        for field, parsed in self._others[name]:
            value = parsed.read(state)
            assert value is not None, "only without events a field has no value"
            values[field] = value
