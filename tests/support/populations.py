"""Loads contacts of the spec's shape into a workspace, and queries a database for matches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import dates, text, tree
from diglot.conditions.addresses import normalize_address
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.contact_view import ContactFields
from diglot.conditions.events.field_values import EventFields
from diglot.conditions.events.fields import EventValue, is_event_field, parse_event_field
from diglot.conditions.events.states import (
    EventState,
    add_event,
    count_event,
    read_properties,
)
from diglot.conditions.histories.fields import HistoryFields
from diglot.conditions.histories.past_events import Histories, PastEvent, sort_events
from diglot.membership import read
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact
from diglot.model.events import ContactEvent, EventKind
from diglot.model.ids import new_id
from diglot.model.lists import ContactList
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText, Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import NewSegment, Segments
from diglot.storage import workspaces
from diglot.storage.audience import event_states, events, lists
from diglot.storage.audience.event_states import ContactKey
from diglot.storage.contacts import queries
from diglot.storage.contacts.rows import TEXT_FIELDS
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import WriteUnit, open_unit

People = Mapping[str, Mapping[str, Any]]
EVERYBODY = Window(0, 1_000_000)
_INSTANTS = ("created_at", "updated_at", "last_opened_at", "last_clicked_at", "last_emailed_at")


@dataclass(frozen=True)
class Crowd:
    """Contacts in a workspace of their own, by name."""

    engine: Engine
    workspace: int
    zone: ZoneInfo
    contacts: Mapping[str, Contact]

    @property
    def caller(self) -> Caller:
        """The caller of the workspace."""
        return Caller(self.workspace, self.zone, "key", frozenset())

    async def segment(self, node: tree.Node, now: int, kind: SegmentType = SegmentType.DYNAMIC) -> Segment:
        """Create a segment with a condition."""
        new = NewSegment("of a crowd", Condition(node, OriginalText("canonical", "{}")), type=kind)
        return await Segments(self.engine, lambda: now).create(self.caller, new)

    async def members(self, node: tree.Node, now: datetime) -> frozenset[str]:
        """Return the names of the contacts that match a condition; its count must be their number."""

        async def work(tenant: Tenant) -> tuple[list[str], int]:
            relation = self._relation(node, now)
            listed = await read.load_ids(tenant, relation, EVERYBODY)
            return listed, await read.count_members(tenant, relation)

        ids, count = await self.engine.read(bind_workspace(self.workspace, work))
        assert count == len(ids), "the count and the list of a condition differ"
        return self.names_of(ids)

    async def static_members(self, node: tree.Node, now: datetime) -> frozenset[str]:
        """Return the members of a new static segment with a condition; its count must be their number."""
        segments = Segments(self.engine, lambda: micros(now))
        condition = Condition(node, OriginalText("canonical", "{}"))
        new = NewSegment("kept", condition, type=SegmentType.STATIC)
        segment = await segments.create_with_count(self.caller, new)
        _, page, _ = await segments.list_member_ids(self.caller, segment.segment.id, EVERYBODY)
        assert segment.count == page.total == len(page.items), "the count and the list of a segment differ"
        return self.names_of(page.items)

    async def has(self, name: str, node: tree.Node, now: datetime) -> bool:
        """Tell whether a condition is true of one contact, which a database is asked alone."""
        query, pk = self._relation(node, now), self.contacts[name].pk
        return await self.engine.read(
            bind_workspace(self.workspace, lambda tenant: read.has_member(tenant, query, pk))
        )

    async def page(self, node: tree.Node, now: datetime, window: Window) -> list[Contact]:
        """Return a page of the members."""
        relation = self._relation(node, now)
        return await self.engine.read(
            bind_workspace(self.workspace, lambda tenant: read.load_page(tenant, relation, window))
        )

    def names_of(self, ids: Sequence[str]) -> frozenset[str]:
        """Return the names of contacts by their ids, which must come newest first, each once."""
        names = {one.id: name for name, one in self.contacts.items()}
        order = {contact.id: contact.pk for contact in self.contacts.values()}
        assert list(ids) == sorted(set(ids), key=order.__getitem__, reverse=True)
        return frozenset(names[id_] for id_ in ids)

    def _relation(self, node: tree.Node, now: datetime) -> MembershipQuery:
        return MembershipQuery(node, micros(now), self.zone)


def micros(instant: datetime) -> int:
    """Return microseconds since 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


async def load(engine: Engine, people: People, known: Mapping[str, str], zone: str, now: datetime) -> Crowd:
    """Load the contacts and lists of a population into a new workspace named after its time zone."""

    async def work(transaction: Transaction) -> Crowd:
        created = await workspaces.create(transaction, zone, zone, micros(now))
        async with open_unit(Tenant(transaction, created.number), lambda: micros(now)) as unit:
            unit.count_contacts(len(people))
            rows = {name: contact(one, unit.take_keys("pk")) for name, one in people.items()}
            await queries.insert_contacts(unit, list(rows.values()), ZoneInfo(zone))
            for name, id_ in known.items():
                number = unit.take_keys("list")
                new = ContactList(number, id_, name, None, None, micros(now), micros(now))
                await lists.insert_list(unit, new)
                joined = [rows[who].pk for who, one in people.items() if name in one.get("lists", ())]
                await lists.add_members(unit, number, joined)
            for who, one in people.items():
                await _insert_events(unit, rows[who], one.get("events", ()))
        return Crowd(engine, created.number, ZoneInfo(zone), rows)

    return await engine.write(work)


async def _insert_events(unit: WriteUnit, owner: Contact, given: Sequence[Mapping[str, Any]]) -> None:
    """Insert events of a contact as the service stores them."""
    for event in given:
        at = _instant(event["at"])
        assert at is not None
        await store_event(unit, owner, event["name"], (EventKind.OTHER, event_body(event)), at)


async def store_event(
    unit: WriteUnit, owner: Contact, name: str, stored: tuple[EventKind, str], at: int
) -> None:
    """Insert an event of a kind and with a body as the service stores it."""
    kind, body = stored
    [found] = await event_states.find_each(unit, [ContactKey(owner.id, None, (text.to_nfc(name),))])
    assert found is not None
    counted, stream = count_event(read_properties(kind, body), at), None
    if counted is not None:
        state = found, text.to_nfc(name), add_event(found.state, counted)
        [stream] = await event_states.store_each(unit, [state])
    number = unit.take_keys("event")
    event = ContactEvent(number, new_id(), kind, name, stream, None, None, at, at, body)
    await events.insert_events(unit, [(owner.pk, event)])


def event_body(event: Mapping[str, Any]) -> str:
    """Return the body of an event of the spec as the service stores it."""
    return _encoded({"data": event.get("properties", {}) | {"machine": event.get("machine")}})


def histories_of(fields: Mapping[str, Any]) -> Histories:
    """Return the events of a contact of the spec by their names."""
    found: dict[str, list[PastEvent]] = {}
    for number, event in enumerate(fields.get("events", ())):
        at = _instant(event["at"])
        assert at is not None
        past = PastEvent(number, at, "other", event_body(event), event.get("machine") is True)
        found.setdefault(text.to_nfc(event["name"]), []).append(past)
    return {name: sort_events(events) for name, events in found.items()}


def states_of(fields: Mapping[str, Any]) -> dict[str, EventState]:
    """Return what the events of a contact of the spec add up to, by their names."""
    states: dict[str, EventState] = {}
    for event in fields.get("events", ()):
        name, at = text.to_nfc(event["name"]), _instant(event["at"])
        assert at is not None
        counted = count_event(read_properties("other", event_body(event)), at)
        if counted is not None:
            states[name] = add_event(states.get(name), counted)
    return states


class SpecFields(ContactFields):
    """The fields of a contact of the spec: those of events are computed when they are read."""

    def __init__(self, values: Mapping[str, Any], one: Mapping[str, Any], zone: str) -> None:
        super().__init__(values)
        self._histories, self._states, self._zone = histories_of(one), states_of(one), ZoneInfo(zone)

    def __missing__(self, name: str) -> Any:
        """Return the value of a field of events, or of another that the contact does not have."""
        if not is_event_field(name):
            return super().__missing__(name)
        of_states = EventFields((name,)).read_values(self._states)
        values = {**of_states, **HistoryFields((name,), self._zone).read_values(self._histories)}
        self[name] = values.get(name, parse_event_field(name).read(None))
        return self[name]


def event_values(
    fields: Mapping[str, Any], nodes: Iterable[tree.Node] = (), zone: str = "UTC"
) -> dict[str, EventValue]:
    """Return the values of all fields of events that a contact of the spec has, derived ones included.

    Those of single events are those that some conditions read.
    """
    states = states_of(fields)
    names = [
        f"events.{name}.{part}"
        for name, state in states.items()
        for part in ("count", "first_at", "last_at", *(f"newest.{n + 1}" for n in range(len(state.recent))))
    ]
    mentioned = {field for node in nodes for field in tree.fields_of(lower_condition(node))}
    of_histories = HistoryFields(mentioned, ZoneInfo(zone)).read_values(histories_of(fields))
    return {**EventFields({*names, *filter(is_event_field, mentioned)}).read_values(states), **of_histories}


def contact(fields: Mapping[str, Any], pk: int) -> Contact:
    """Return a contact of the spec as the service stores it, with defaults for missing fields."""
    values: dict[str, Any] = {name: fields.get(name) for name in TEXT_FIELDS}
    values |= {name: _double(fields.get(name)) for name in ("engagement_score", "lead_score")}
    values |= {name: fields.get(name, 0) for name in ("total_opens", "total_clicks", "total_orders")}
    values |= {name: _instant(fields.get(name)) for name in _INSTANTS}
    attributes = {
        text.normalize_name(key): value
        for key, value in fields.get("attributes", {}).items()
        if value is not None
    }
    email = normalize_address(fields["email"])
    return Contact(
        pk=pk,
        id=fields.get("id") or new_id(),
        email=email,
        email_as_sent=None if email == fields["email"] else fields["email"],
        status=fields.get("status", "subscribed"),
        total_spent=float(fields.get("total_spent", 0)),
        tags=_encoded(list(dict.fromkeys(map(text.normalize_name, fields.get("tags", []))))),
        attributes=_encoded(attributes),
        **values,
    )


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _double(value: float | None) -> float | None:
    return None if value is None else float(value)


def _instant(value: str | None) -> int | None:
    result = None if value is None else dates.parse(value)
    return None if result is None else result.to_instant(ZoneInfo("UTC"))
