"""The fields of events that conditions have and no state tells, and their values for a contact."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions.events.fields import EventField, EventValue, is_event_field, parse_event_field
from diglot.conditions.histories.matching import EventMatcher
from diglot.conditions.histories.past_events import Gathered, Histories, History, PastEvent
from diglot.conditions.histories.streams import StreamFields

# Shared by all questions for which no event counts, so nobody adds to it.
_NO_EVENTS: Final = Gathered([], [])
# The events that count, by the stored form of what they match and the property that is summed.
GatheredByStream = Mapping[tuple[str, str], Gathered]


class Wanted(NamedTuple):
    """What is to be read of histories: the names, whether also what machines caused, whether with bodies."""

    names: Sequence[str]
    of_machines: bool
    bodies: bool


class HistoryFields:
    """The fields that need histories among those that conditions mention, by the name of the events."""

    def __init__(self, mentioned: Iterable[str], zone: ZoneInfo) -> None:
        self.by_event: dict[str, FieldsOfName] = {}
        for field in filter(is_event_field, mentioned):
            parsed = parse_event_field(field)
            if parsed.needs_history:
                self.by_event.setdefault(parsed.name, FieldsOfName(zone)).fields[field] = parsed

    @classmethod
    def of_field(cls, field: str, zone: ZoneInfo) -> "HistoryFields":
        """Return one field that histories tell, although a state may tell it, too."""
        parsed, fields = parse_event_field(field), cls((), zone)
        fields.by_event[parsed.name] = of_name = FieldsOfName(zone)
        of_name.fields[field] = parsed
        return fields

    def read_values(self, histories: Histories) -> dict[str, EventValue]:
        """Return the values of the fields, given the histories of a contact by the names of events.

        Those that are as if the contact had no such events are left out.
        """
        values: dict[str, EventValue] = {}
        for name in self.by_event.keys() & histories.keys():
            values |= self.by_event[name].read_values(histories[name])
        return values

    def read_around(
        self, name: str, gathered: GatheredByStream, event: PastEvent, others: Mapping[str, EventValue]
    ) -> tuple[dict[str, EventValue], dict[str, EventValue]]:
        """Return the values of other fields with those of a name, before and after an event.

        The event is not gathered yet.
        """
        if (of_name := self.by_event.get(name)) is None:
            return {**others}, {**others}
        return of_name.read_around(gathered, event, others)

    def fields_of(self, name: str) -> Collection[str]:
        """Return the fields of the events with a name."""
        return self.by_event[name].fields if name in self.by_event else ()

    def want(self, names: Iterable[str] | None = None) -> Wanted:
        """Return what is to be read for the fields of some names, or of all."""
        of_names = sorted(self.by_event if names is None else names)
        fields = [self.by_event[name] for name in of_names]
        return Wanted(
            of_names,
            of_machines=any(one.need_machines for one in fields),
            bodies=any(one.need_bodies for one in fields),
        )


def gather_matching(history: History, where: str, summed: str, zone: ZoneInfo) -> Gathered:
    """Return the events that match the stored form of some rules, with the amounts of a property."""
    fields = FieldsOfName(zone)
    fields.fields[""] = EventField("", "", where=where, summed=summed)
    return fields.gather(history)[where, summed]


class FieldsOfName:
    """The history fields of the events with one name."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.fields: dict[str, EventField] = {}

    @cached_property
    def _asked(self) -> Sequence[tuple[str, str]]:
        """The groups of rules, each with a property that is summed, empty if the events are counted."""
        return sorted({(field.where, field.summed) for field in self.fields.values()})

    @cached_property
    def _matcher(self) -> EventMatcher:
        return EventMatcher(self._asked, self._zone)

    @cached_property
    def gathered_of_none(self) -> GatheredByStream:
        """What no events count for."""
        return self.gather(())

    @property
    def need_bodies(self) -> bool:
        """Whether a field depends on properties of events."""
        return self._matcher.needs_bodies

    @property
    def need_machines(self) -> bool:
        """Whether a field counts events that machines caused."""
        return self._matcher.needs_machines

    def read_values(self, history: History) -> dict[str, EventValue]:
        """Return the values of the fields that a contact with these events has."""
        values = {**self._values_of_none}
        self._read_into(values, self.gather(history))
        return values

    def read_around(
        self, before: GatheredByStream, event: PastEvent, others: Mapping[str, EventValue]
    ) -> tuple[dict[str, EventValue], dict[str, EventValue]]:
        """Return what `HistoryFields.read_around` does; only what the event counts for is read again."""
        old = {**others, **self._values_of_none}
        if before is not self.gathered_of_none:
            self._read_into(old, before)
        new = {**old}
        for place, amount in self._matcher.count(event):
            found = before[self._asked[place]].add(event.at, amount)
            self._streams[place].read_into(new, found)
        return old, new

    def _read_into(self, values: dict[str, EventValue], gathered: GatheredByStream) -> None:
        """Write the values of the fields over those that they have if no event counts."""
        for stream, found in zip(self._streams, gathered.values(), strict=True):
            if found.instants:
                stream.read_into(values, found)

    @cached_property
    def _values_of_none(self) -> Mapping[str, EventValue]:
        """The values of the fields if no event counts."""
        values = ((field, parsed.read(None)) for field, parsed in self.fields.items())
        return {field: value for field, value in values if value is not None}

    @cached_property
    def _streams(self) -> Sequence[StreamFields]:
        """The fields that read each of the questions, in the order of these."""
        by_stream: dict[tuple[str, str], list[tuple[str, EventField]]] = {what: [] for what in self._asked}
        for field, parsed in self.fields.items():
            by_stream[parsed.where, parsed.summed].append((field, parsed))
        return [StreamFields(by_stream[what]) for what in self._asked]

    def gather(self, history: History) -> GatheredByStream:
        """Return the events that count, by the stored form of what they match and the property summed.

        The places of what is asked are those in the order of the result.
        """
        found, count = [_NO_EVENTS] * len(self._asked), self._matcher.count
        for event in history:
            for place, amount in count(event):
                if (one := found[place]) is _NO_EVENTS:
                    one = found[place] = Gathered([], [])
                one.instants.append(event.at)
                if amount is not None:
                    one.amounts.append(amount)
        return dict(zip(self._asked, found, strict=True))
