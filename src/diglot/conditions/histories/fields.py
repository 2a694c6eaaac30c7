"""The fields of events that conditions have and no state tells, and their values for a contact.

The rules that an event has to match are compiled to one function for all fields of a name, with the meaning
that they have for attributes. It is called for each event of a contact, also at a write: the few events of
one name that a contact has cost less than a row of totals for each group of rules would, which each write
had to keep current.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.events.fields import (
    EventField,
    EventValue,
    is_event_field,
    parse_event_field,
    read_places,
)
from diglot.conditions.events.states import MACHINE, to_decimal
from diglot.conditions.events.sum_tests import read_test
from diglot.conditions.fields import ATTRIBUTE_PREFIX
from diglot.conditions.histories.past_events import (
    Gathered,
    Histories,
    History,
    PastEvent,
    read_named_properties,
)
from diglot.conditions.histories.sums import add_up_back, find_jumps
from diglot.conditions.python_compiler import MatchFunction, compile_to_python

# Stands in the place of rules that events have to match: all count but those that machines caused.
ALL_EVENTS: Final = ""
# The bodies of which is remembered what they count for, for each name, and how long they are at most.
_REMEMBERED_BODIES: Final = 512
_MAX_REMEMBERED_LENGTH: Final = 300


# The events that count, by the stored form of what they match and the property that is summed.
GatheredByStream = Mapping[tuple[str, str], Gathered]


class Wanted(NamedTuple):
    """What is to be read of histories: the names, whether also what machines caused, whether with bodies."""

    names: Sequence[str]
    of_machines: bool
    bodies: bool


class EventView(ContactView):
    """The properties of an event as attributes; nothing else of a contact is read of it."""

    __slots__ = ()

    def __init__(self, properties: Mapping[str, Any], zone: ZoneInfo) -> None:
        self.attributes = properties
        self.zone = zone
        self._derived = {}


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
        self, name: str, gathered: GatheredByStream, event: PastEvent
    ) -> tuple[Mapping[str, EventValue], Mapping[str, EventValue]]:
        """Return the values of the fields of a name before and after an event that is not gathered yet."""
        if name not in self.by_event:
            return {}, {}
        return self.by_event[name].read_around(gathered, event)

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


class _FieldsOfStream(NamedTuple):
    """The fields of the events that count for one question: places, tests of sums that jump, and others."""

    places: list[tuple[str, int]]
    jumps: list[tuple[str, str]]
    others: list[tuple[str, EventField]]


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
    def _wheres(self) -> Sequence[str]:
        return sorted({where for where, _ in self._asked})

    @cached_property
    def _of_machines(self) -> frozenset[int]:
        """The numbers of the groups of rules that name `machine`."""
        return frozenset(n for n, where in enumerate(self._wheres) if where and _names_machine(where))

    @cached_property
    def _match(self) -> MatchFunction:
        nodes = {number: tree.decode(where) for number, where in enumerate(self._wheres) if where}
        return compile_to_python(nodes, self._zone)

    @cached_property
    def gathered_of_none(self) -> GatheredByStream:
        """What no events count for."""
        return self.gather(())

    @property
    def need_bodies(self) -> bool:
        """Whether a field depends on properties of events."""
        return self._asked != [(ALL_EVENTS, "")]

    @property
    def need_machines(self) -> bool:
        """Whether a field counts events that machines caused."""
        return bool(self._of_machines)

    def read_values(self, history: History) -> dict[str, EventValue]:
        """Return the values of the fields that a contact with these events has."""
        return self._read(self.gather(history))

    def read_around(
        self, before: GatheredByStream, event: PastEvent
    ) -> tuple[dict[str, EventValue], dict[str, EventValue]]:
        """Return the values before and after an event that is not among those gathered before.

        Only the fields are read again for which the event counts.
        """
        amounts = dict(self._count_event(event))
        old: dict[str, EventValue] = {}
        new: dict[str, EventValue] = {}
        for place, (what, found) in enumerate(before.items()):
            values = self._read_stream(what, found)
            old |= values
            if place in amounts:
                values = self._read_stream(what, found.add(event.at, amounts[place]))
            new |= values
        return old, new

    def _read(self, gathered: GatheredByStream) -> dict[str, EventValue]:
        values: dict[str, EventValue] = {}
        for what, found in gathered.items():
            values |= self._read_stream(what, found)
        return values

    def _read_stream(self, what: tuple[str, str], found: Gathered) -> Mapping[str, EventValue]:
        """Return the values of the fields of some events that count."""
        if not found.instants:
            return self._values_of_none[what]
        fields = self._fields_by_stream[what]
        values: dict[str, EventValue] = read_places(fields.places, found.instants)
        if fields.others:
            state = found.add_up()
            read = ((field, parsed.read(state)) for field, parsed in fields.others)
            values |= {field: value for field, value in read if value is not None}
        totals = add_up_back(*found) if fields.jumps else ()
        for field, test in fields.jumps:
            if jumps := find_jumps(totals, read_test(test)):
                values[field] = jumps
        return values

    @cached_property
    def _values_of_none(self) -> Mapping[tuple[str, str], Mapping[str, EventValue]]:
        """The values of the fields if no event counts, by what is asked of events."""
        found: dict[tuple[str, str], dict[str, EventValue]] = {}
        for what, fields in self._fields_by_stream.items():
            values = ((field, parsed.read(None)) for field, parsed in fields.others)
            found[what] = {field: value for field, value in values if value is not None}
        return found

    @cached_property
    def _fields_by_stream(self) -> Mapping[tuple[str, str], "_FieldsOfStream"]:
        """The fields by what is asked of events."""
        streams = {what: _FieldsOfStream([], [], []) for what in self._asked}
        for field, parsed in self.fields.items():
            stream = streams[parsed.where, parsed.summed]
            if parsed.place:
                stream.places.append((field, parsed.place))
            elif parsed.part == "jumps":
                stream.jumps.append((field, parsed.test))
            else:
                stream.others.append((field, parsed))
        return streams

    def gather(self, history: History) -> GatheredByStream:
        """Return the events that count, by the stored form of what they match and the property summed.

        The places of what is asked are those in the order of the result.
        """
        found = [Gathered([], []) for _ in self._asked]
        for event in history:
            for place, amount in self._count_event(event):
                found[place].instants.append(event.at)
                if amount is not None:
                    found[place].amounts.append(amount)
        return dict(zip(self._asked, found, strict=True))

    def _count_event(self, event: PastEvent) -> Sequence[tuple[int, Decimal | None]]:
        count = self._count_short if len(event.body) <= _MAX_REMEMBERED_LENGTH else self._count
        return count(event.kind, event.body, event.by_machine)

    @cached_property
    def _count_short(self) -> Callable[[str, str, bool], Sequence[tuple[int, Decimal | None]]]:
        """Count an event with a short body; many events of one name have equal ones."""
        return lru_cache(maxsize=_REMEMBERED_BODIES)(self._count)

    def _count(self, kind: str, body: str, by_machine: bool) -> Sequence[tuple[int, Decimal | None]]:
        """Return the places of what an event counts for, each with its amount if a property is summed."""
        properties = read_named_properties(kind, body) if self.need_bodies else {}
        return [
            (place, to_decimal(properties.get(summed)) if summed else None)
            for number in self._match_event(properties, by_machine=by_machine)
            for place, summed in self._places[number]
        ]

    @cached_property
    def _places(self) -> Sequence[Sequence[tuple[int, str]]]:
        """The places of what is asked of the events that match each group of rules, with what is summed."""
        by_where: dict[str, list[tuple[int, str]]] = {}
        for place, (where, summed) in enumerate(self._asked):
            by_where.setdefault(where, []).append((place, summed))
        return [by_where[where] for where in self._wheres]

    def _match_event(self, properties: Mapping[str, Any], *, by_machine: bool) -> Iterable[int]:
        """Return the numbers of the groups of rules that an event matches; no rules stand first."""
        matched = [0] if self._wheres[0] == ALL_EVENTS else []
        matched += self._match(EventView(properties, self._zone), 0)
        return self._of_machines.intersection(matched) if by_machine else matched


def _names_machine(where: str) -> bool:
    names = {predicate.field for predicate in tree.predicates_of(tree.decode(where))}
    return ATTRIBUTE_PREFIX + MACHINE in names
