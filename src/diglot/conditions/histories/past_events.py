"""The single events of a contact, and what those of them that count add up to."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from diglot.conditions import text
from diglot.conditions.events.states import EventState, read_properties


class PastEvent(NamedTuple):
    """An event: its number, its instant in microseconds, its kind and body as stored, and who caused it.

    A history that was read without bodies has empty ones.
    """

    number: int
    at: int
    kind: str
    body: str
    by_machine: bool = False

    def read_properties(self) -> dict[str, Any]:
        """Return the properties, by their names in the form of attribute keys."""
        properties = read_properties(self.kind, self.body)
        return {text.normalize_name(name): value for name, value in properties.items()}


# The events of one name, newest first.
History = Sequence[PastEvent]
# By the name of the events.
Histories = Mapping[str, History]


def sort_events(events: Iterable[PastEvent]) -> History:
    """Return events as a history."""
    return sorted(events, key=attrgetter("at", "number"), reverse=True)


def add_up(instants: Sequence[int]) -> EventState | None:
    """Return the state of events at some instants, newest first, with all of these; None without events."""
    if not instants:
        return None
    return EventState(len(instants), instants[-1], instants[0], Decimal(0), tuple(instants))
