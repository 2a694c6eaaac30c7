"""The single events of a contact, and what those of them that count add up to."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from diglot.conditions import text
from diglot.conditions.events.states import EventState, read_properties
from diglot.conditions.histories.sums import add_all

# Events of one name have the same few properties.
_normalize: Final = lru_cache(maxsize=4_096)(text.normalize_name)


class PastEvent(NamedTuple):
    """An event: its number, its instant in microseconds, its kind and body as stored, and who caused it.

    A history that was read without bodies has empty ones.
    """

    number: int
    at: int
    kind: str
    body: str
    by_machine: bool = False


def read_named_properties(kind: str, body: str) -> dict[str, Any]:
    """Return the properties of a stored event, by their names in the form of attribute keys."""
    return {_normalize(name): value for name, value in read_properties(kind, body).items()}


# The events of one name, newest first.
History = Sequence[PastEvent]
# By the name of the events.
Histories = Mapping[str, History]


def sort_events(events: Iterable[PastEvent]) -> History:
    """Return events as a history."""
    return sorted(events, key=attrgetter("at", "number"), reverse=True)


class Gathered(NamedTuple):
    """The events that count, newest first: their instants, and their amounts if a property is summed."""

    instants: list[int]
    amounts: list[Decimal]

    def merge(self, others: "Gathered") -> "Gathered":
        """Return these events and others together, newest first; there is at least one other event."""
        if not self.instants:
            return others
        if others.instants[-1] > self.instants[0]:
            return Gathered(others.instants + self.instants, others.amounts + self.amounts)
        instants, amounts = self.instants + others.instants, self.amounts + others.amounts
        order = sorted(range(len(instants)), key=instants.__getitem__, reverse=True)
        return Gathered([instants[n] for n in order], [amounts[n] for n in order] if amounts else [])

    def add(self, instant: int, amount: Decimal | None) -> "Gathered":
        """Return these events and one more, newest first; it has an amount if a property is summed."""
        return self.merge(Gathered([instant], [] if amount is None else [amount]))

    def add_up(self) -> EventState:
        """Return what the events add up to, with all instants; there is at least one."""
        instants = tuple(self.instants)
        return EventState(len(instants), instants[-1], instants[0], add_all(self.amounts), instants)
