"""Explains why a contact is a member of a segment, or why not."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.addresses import normalize_address
from diglot.conditions.analysis.segment_references import referenced_ids
from diglot.conditions.computed.event_windows import encode_where, lower_condition, lower_predicate
from diglot.conditions.events.field_values import EventFields
from diglot.conditions.events.fields import EventValue, is_event_field, parse_event_field
from diglot.conditions.events.states import EventState
from diglot.conditions.explain import RuleEvents, Verdict, explain_condition
from diglot.conditions.histories.fields import HistoryFields, gather_matching
from diglot.conditions.histories.matching import ALL_EVENTS
from diglot.conditions.histories.past_events import Histories
from diglot.errors import NotFound
from diglot.membership import read
from diglot.membership.analysis.containing import find_containing, find_entry_origins
from diglot.membership.read import MembershipQuery
from diglot.model.contact_views import Surroundings, view_of
from diglot.model.contacts import Contact
from diglot.model.explanations import Explanation, NamedSegment
from diglot.model.ids import parse_id
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.membership_history import find_entry_origin
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from diglot.service.unit_of_work import reads
from diglot.storage.audience import event_states, named_segments, segments
from diglot.storage.contacts import event_histories, queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


class ContactEvents(msgspec.Struct, frozen=True):
    """What a condition reads of the events of a contact, by the names of events."""

    states: Mapping[str, EventState]
    histories: Histories

    def read_values(self, mentioned: Collection[str], zone: ZoneInfo) -> dict[str, EventValue]:
        """Return the values of the fields of events among some fields."""
        values = EventFields(mentioned).read_values(self.states)
        return {**values, **HistoryFields(mentioned, zone).read_values(self.histories)}

    def find_counted(self, node: tree.Node, zone: ZoneInfo) -> dict[str, RuleEvents]:
        """Return the events that each rule about events counts."""
        return {
            tree.encode(predicate): self._find_for(predicate, zone)
            for predicate in tree.predicates_of(node)
            if is_event_field(predicate.field)
        }

    def _find_for(self, predicate: tree.Predicate, zone: ZoneInfo) -> RuleEvents:
        field = parse_event_field(predicate.field)
        lowered = tree.fields_of(lower_predicate(predicate))
        if not HistoryFields(lowered, zone).by_event:
            return RuleEvents(self.states.get(field.name))
        where = ALL_EVENTS if predicate.where is UNSET else encode_where(predicate.where)
        found = gather_matching(self.histories.get(field.name, ()), where, field.summed, zone)
        return RuleEvents(found.add_up() if found.instants else None, found.amounts)


class _Snapshot(msgspec.Struct, frozen=True):
    """A segment and a contact as one snapshot shows them, at an instant."""

    segment: Segment
    state: WorkspaceState
    contact: Contact
    lists: tuple[str, ...]
    events: ContactEvents
    is_member: bool
    entry_origin: ChangeOrigin | None
    effective_now: int
    named: Mapping[str, NamedSegment]
    cause_segment_id: str | None


@dataclass(frozen=True, slots=True)
class Explanations:
    """The use case of explanations: it reads one snapshot, then evaluates each rule."""

    engine: Engine
    clock: Clock = system_clock

    async def explain(self, caller: Caller, segment_id: str | None, contact: str) -> Explanation:
        """Explain a contact, given its id or address; raise `NotFound` for the contact or the segment."""
        snapshot = await self._load_snapshot(caller, segment_id, contact)
        # Outside of the transaction and off the event loop, because compiling many predicates takes long.
        verdict = await self.engine.run_off_loop(lambda: _explain_condition(snapshot))
        return Explanation(
            snapshot.segment,
            snapshot.contact,
            snapshot.lists,
            snapshot.events.find_counted(snapshot.segment.condition.tree, snapshot.state.zone),
            snapshot.is_member,
            verdict,
            snapshot.entry_origin,
            snapshot.effective_now,
            snapshot.state.zone,
            snapshot.named,
            snapshot.cause_segment_id,
        )

    @reads
    async def name_segments(self, tenant: Tenant, node: tree.Node) -> dict[str, str]:
        """Return the names of the segments that the rules of a condition name, by their UUIDs."""
        ids = referenced_ids(node)
        return {id_: one.name for id_, one in (await named_segments.find_each(tenant, ids)).items()}

    @reads
    async def _load_snapshot(self, tenant: Tenant, segment_id: str | None, id_or_email: str) -> _Snapshot:
        segment, state = await require_segment_with_state(tenant, segment_id)
        contact = await _require_contact(tenant, id_or_email)
        at = read.effective_now(state, self.clock())
        query = MembershipQuery.for_segment(segment, at, state)
        is_member = await read.has_member(tenant, query, contact.pk)
        entry_origin = await find_entry_origin(tenant, segment, contact.pk, state) if is_member else None
        lists: tuple[str, ...] = ()
        if "lists" in tree.fields_of(segment.condition.tree):
            lists = tuple(contact_list.id for contact_list in await queries.load_lists_of(tenant, contact.pk))
        events = await _load_events(tenant, segment, contact, state.zone)
        named = await _load_named(tenant, segment, contact, at, state)
        through = None if entry_origin is None else entry_origin.segment
        cause_id = None if through is None else (await segments.load_ids(tenant, {through})).get(through)
        return _Snapshot(
            *(segment, state, contact, lists, events, is_member, entry_origin, at), named, cause_id
        )


async def _load_named(
    tenant: Tenant, segment: Segment, contact: Contact, at: int, state: WorkspaceState
) -> Mapping[str, NamedSegment]:
    """Return the segments that the rules of a segment name, by id."""
    ids = referenced_ids(segment.condition.tree)
    if not ids:
        return {}
    found = await named_segments.find_each(tenant, ids)
    containing = set(await find_containing(tenant, contact.pk, at, state))
    members = sorted(containing & {one.number for one in found.values()})
    origins = await find_entry_origins(tenant, members, contact.pk, state)
    return {
        id_: NamedSegment(one, one.number in containing, origins.get(one.number))
        for id_, one in found.items()
    }


async def _load_events(tenant: Tenant, segment: Segment, contact: Contact, zone: ZoneInfo) -> ContactEvents:
    """Return what the condition of a segment reads of the events of a contact."""
    mentioned = tree.fields_of(lower_condition(segment.condition.tree))
    states: Mapping[int, Mapping[str, EventState]] = {}
    histories: Mapping[int, Histories] = {}
    if names := sorted(EventFields(tree.fields_of(segment.condition.tree)).by_event):
        states = await event_states.load_of_contacts(tenant, [contact.pk], names)
    fields = HistoryFields(mentioned, zone)
    if fields.by_event:
        histories = await event_histories.load_of_contacts(tenant, [contact.pk], fields.want())
    return ContactEvents(states.get(contact.pk, {}), histories.get(contact.pk, {}))


async def _require_contact(tenant: Tenant, id_or_email: str) -> Contact:
    if (id_ := parse_id(id_or_email)) is not None:
        contact = await queries.find_contact_by_id(tenant, id_)
    else:
        contact = await queries.find_contact_by_email(tenant, normalize_address(id_or_email))
    if contact is None:
        raise NotFound(REFERENCED_CONTACT)
    return contact


def _explain_condition(snapshot: _Snapshot) -> Verdict | None:
    if snapshot.segment.type is SegmentType.STATIC:
        return None
    node = snapshot.segment.condition.tree
    zone = snapshot.state.zone
    values = snapshot.events.read_values(tree.fields_of(lower_condition(node)), zone)
    members = tuple(id_ for id_, one in snapshot.named.items() if one.is_member)
    subject = view_of(snapshot.contact, Surroundings(snapshot.lists, values, members), zone)
    verdict = explain_condition(node, subject, snapshot.effective_now, zone)
    return replace(verdict, matches=False) if snapshot.segment.deleted_references else verdict
