"""Events: records what contacts did, and updates their engagement fields in the same transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import msgspec
from msgspec import structs

from diglot.clock import FUTURE_FAULT, Clock, is_in_future, system_clock
from diglot.conditions import text
from diglot.conditions.addresses import normalize_address
from diglot.conditions.events.states import add_event, count_event, read_properties
from diglot.conditions.histories.fields import HistoryFields
from diglot.conditions.histories.past_events import PastEvent
from diglot.errors import Conflict, InvalidInput, NotFound
from diglot.membership.moves import EventMove
from diglot.membership.writer import load_active_segments, open_writer
from diglot.model import webhooks
from diglot.model.contacts import Contact, ContactChange
from diglot.model.events import (
    ContactEvent,
    ContactRef,
    ConversionFilter,
    ConversionValue,
    EventFilter,
    NewEvent,
    RecordedEvent,
)
from diglot.model.ids import new_id
from diglot.model.pages import Page, Window
from diglot.model.segments import Condition
from diglot.model.webhooks import Conversion, DomainEvent, EventPayload
from diglot.model.workspaces import Caller
from diglot.service.contacts import contact_writes, engagement
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from diglot.service.limits import require_kept
from diglot.service.unit_of_work import point_reads, reads, writes_with
from diglot.storage.audience import event_expiry, event_pages, event_states, events
from diglot.storage.audience.event_expiry import EventRetention
from diglot.storage.audience.event_states import ContactAndState
from diglot.storage.contacts import remembered_events
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import Reservation, WriteUnit
from diglot.webhooks import outbox

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Events:
    """The use cases of events; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock

    @writes_with(Reservation(moves_members=True, events=1))
    async def record(self, unit: WriteUnit, contact_ref: ContactRef, new: NewEvent) -> RecordedEvent:
        """Store an event and update the contact's engagement fields; raise `NotFound` for an unknown contact.

        An event that was recorded before is returned as it was, and changes nothing; `Conflict` if its
        `event_id` comes with another contact or name. One that is older than the events that the workspace
        keeps changes nothing, either.
        """
        return await record_event(unit, contact_ref, new)

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> RecordedEvent:
        """Return an event by its id; raise `NotFound`."""
        found = None if id_ is None else await event_pages.find_event(tenant, id_)
        if found is None:
            raise NotFound("event")
        return found

    @reads
    async def list_page(self, tenant: Tenant, filter_: EventFilter, window: Window) -> Page[RecordedEvent]:
        """Return a window of the events that match a filter; an unknown contact has none.

        They come in the order in which they arrived, newest first.
        """
        return await event_pages.load_events(tenant, filter_, window)

    @reads
    async def list_conversions(
        self, tenant: Tenant, filter_: ConversionFilter, window: Window
    ) -> Page[RecordedEvent]:
        """Return a window of the conversions, newest first; an unknown contact has none."""
        return await events.load_conversions(tenant, filter_, window)

    async def require_kept(self, caller: Caller, condition: Condition) -> None:
        """Raise `InvalidInput` for unsaved rules that need events which are not kept for so long."""
        if condition.event_needs:
            require_kept(condition, (await self._load_retention(caller)).days)

    @point_reads
    async def _load_retention(self, tenant: Tenant) -> EventRetention:
        return await event_expiry.load_retention(tenant)

    @point_reads
    async def find_known_names(self, tenant: Tenant, names: Collection[str]) -> frozenset[str]:
        """Return those of some names of which contacts have or had events."""
        return await event_states.find_names(tenant, sorted(names))


async def record_event(unit: WriteUnit, contact_ref: ContactRef, new: NewEvent) -> RecordedEvent:
    """Store an event in a unit, as `Events.record` does."""
    return await _EventRecorder(unit, new, _resolve_happened_at(new, unit.now)).record(contact_ref)


def _resolve_happened_at(new: NewEvent, now: int) -> int:
    if new.occurred_at is None:
        return now
    if is_in_future(new.occurred_at.instant, now):
        raise InvalidInput.at(new.occurred_at.path, FUTURE_FAULT)
    return min(new.occurred_at.instant, now)


@dataclass(frozen=True, slots=True)
class _EventRecorder:
    """Records one event in a write unit."""

    unit: WriteUnit
    new_event: NewEvent
    happened_at: int

    async def record(self, contact_ref: ContactRef) -> RecordedEvent:
        unit = self.unit
        # Take the key before the lookup, because returning an unused reserved key costs a statement.
        number = unit.take_keys("event")
        if self.new_event.source_id is not None:
            first = await events.find_by_source(unit, self.new_event.source_id)
            if first is not None:
                return await self.repeat(first, contact_ref)
        found = await self.require_contact(contact_ref)
        contact = found.contact
        if self.happened_at < unit.row.events_since:
            # It may repeat one that is deleted, so it is answered, but neither stored nor counted.
            return RecordedEvent(self.build_event(number, None), contact.id, contact.shown_email)
        event = self.build_event(number, await self.find_attributed_click(contact))
        # The clock first, because what time moved until now was right without the event.
        writer = await open_writer(unit)
        stream, move = await self.count(found, event, writer.active_segments.history_fields)
        event = replace(event, stream=stream)
        await events.insert_event(unit, contact.pk, event)
        contact = await self.move_contact(contact, move)
        if self.new_event.value is not None:
            occurrence = _build_conversion_event(contact, event, self.new_event.value)
            await outbox.enqueue_events(unit, [occurrence])
        return RecordedEvent(event, contact.id, contact.shown_email)

    async def repeat(self, first: RecordedEvent, contact_ref: ContactRef) -> RecordedEvent:
        """Return an event that was recorded before; an order is known by its id alone.

        Raise `Conflict` if its `event_id` comes with another contact or name, because the new event would be
        lost.
        """
        if self.new_event.order_id is None:
            found = await self.require_contact(contact_ref)
            has_same_name = text.to_nfc(first.event.name) == text.to_nfc(self.new_event.name)
            if found.contact.id != first.contact_id or not has_same_name:
                raise Conflict("event", "Another event has this event_id")
        return first

    async def require_contact(self, contact_ref: ContactRef) -> ContactAndState:
        """Return the contact of the event; if id and address are both given, they must agree."""
        found, name, beside = None, self.new_event.name, await self.find_names_beside()
        if contact_ref.id is not None:
            found = await event_states.find_by_id(self.unit, name, contact_ref.id, beside)
        elif contact_ref.email is not None:
            found = await event_states.find_by_email(self.unit, name, contact_ref.email, beside)
        if found is None:
            # An event creates no contact, because that would subscribe a person without consent.
            raise NotFound(REFERENCED_CONTACT)
        email = found.contact.email
        if contact_ref.email not in (None, email, normalize_address(email)):
            raise InvalidInput.at(("email",), "Is not the address of the contact with this contact_id")
        return found

    async def find_names_beside(self) -> Sequence[str]:
        """Return the other names whose states decide with this event, if one statement can read them with it.

        An event that updates the contact asks conditions about all names, whose states are read apart.
        """
        if engagement.affects_contact(self.new_event):
            return ()
        readers = (await load_active_segments(self.unit)).readers_of_events
        name = text.to_nfc(self.new_event.name)
        beside = readers.names_beside(name).states if name in readers.by_name else ()
        return sorted(beside) if len(beside) <= event_states.MOST_BESIDE else ()

    async def count(
        self, found: ContactAndState, event: ContactEvent, fields: HistoryFields
    ) -> tuple[int | None, EventMove]:
        """Add an event to what the contact's events add up to; return the number of its name, and what moved.

        The number is None for an event that a machine caused, which changes what conditions read only if one
        counts such events.
        """
        counted = count_event(read_properties(event.kind, event.body), event.happened_at)
        name = text.to_nfc(event.name)
        stored = event.number, event.happened_at, event.kind, event.body
        new = PastEvent(*stored, by_machine=counted is None)
        pk = found.contact.pk
        gathered = await remembered_events.gather_before(
            self.unit, pk, name, fields, event.number, has_counted=found.state is not None
        )
        if counted is None:
            return None, EventMove(pk, name, found.state, found.state, new, gathered, found.beside)
        after = add_event(found.state, counted)
        stream = await event_states.store_of_name(self.unit, found, name, after)
        return stream, EventMove(pk, name, found.state, after, new, gathered, found.beside)

    async def move_contact(self, contact: Contact, move: EventMove) -> Contact:
        """Update the engagement fields of the contact, and memberships; return the contact as it is now."""
        if engagement.affects_contact(self.new_event):
            change = ContactChange(engagement.compute_updates(contact, self.new_event, self.happened_at))
            pair = contact, changed_contact(contact, change, self.unit.now)
            await contact_writes.update_contacts(self.unit, [pair], move)
            return pair[1]
        await contact_writes.follow_event(self.unit, contact, move)
        return contact

    async def find_attributed_click(self, contact: Contact) -> ContactEvent | None:
        """Return the click that a conversion is attributed to, unless it names its campaign or flow."""
        conversion_value, since = self.new_event.value, self.happened_at - self.new_event.attribution_window
        since = max(since, self.unit.row.events_since)
        if (
            conversion_value is None
            or conversion_value.flow_id is not None
            or self.new_event.campaign_id is not None
        ):
            return None
        if contact.last_clicked_at is None or contact.last_clicked_at < since:
            return None
        return await events.find_last_click(self.unit, contact.pk, since, self.happened_at)

    def build_event(self, number: int, click: ContactEvent | None) -> ContactEvent:
        """Return the event as it is stored."""
        new, campaign_id, body = self.new_event, self.new_event.campaign_id, self.new_event.body
        if new.value is not None:
            conversion_value = new.value
            if click is not None:
                campaign_id, conversion_value = (
                    click.campaign_id,
                    structs.replace(conversion_value, clicked_at=click.happened_at),
                )
            body = _encode(conversion_value).decode()
        return ContactEvent(
            number=number,
            id=new_id(),
            kind=new.kind,
            name=new.name,
            stream=None,
            source_id=new.source_id,
            campaign_id=campaign_id,
            happened_at=self.happened_at,
            created_at=self.unit.now,
            body=body,
        )


def _build_conversion_event(
    contact: Contact, event: ContactEvent, conversion_value: ConversionValue
) -> DomainEvent:
    """Build the webhook event of a conversion."""
    conversion = Conversion(
        id=event.id,
        type=event.name,
        revenue=conversion_value.revenue,
        currency=conversion_value.currency,
        order_id=event.order_id,
        campaign_id=event.campaign_id,
        converted_at=event.happened_at,
        metadata=conversion_value.metadata,
    )
    return DomainEvent(webhooks.WebhookEventType.CONVERTED, EventPayload(contact, conversion=conversion))
