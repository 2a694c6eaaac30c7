"""The fields of events that conditions have, by the names of the events, and their values for a contact.

Those that a state does not have are in `histories`.
"""

from collections.abc import Iterable, Mapping

from diglot.conditions.events.fields import (
    EventField,
    is_event_field,
    parse_event_field,
)
from diglot.conditions.events.states import EventState


class EventFields:
    """The fields of events among those that conditions mention: `by_event` has them by name and by field."""

    def __init__(self, mentioned: Iterable[str]) -> None:
        self.by_event: dict[str, dict[str, EventField]] = {}
        for field in filter(is_event_field, mentioned):
            parsed = parse_event_field(field)
            if not parsed.needs_history:
                self.by_event.setdefault(parsed.name, {})[field] = parsed

    def read_values(self, states: Mapping[str, EventState]) -> dict[str, int]:
        """Return the values of the fields, given the states of a contact by the names of events.

        Those that are as if the contact had no such events are left out.
        """
        return {
            field: value
            for name in self.by_event.keys() & states.keys()
            for field, parsed in self.by_event[name].items()
            if (value := parsed.read(states[name])) is not None
        }
