"""Records events in a write unit: those of several contacts together, because each alone costs far more.

What concerns one event alone, such as a contact that is unknown, becomes its outcome, and no fault of the
others.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from msgspec import structs

from diglot.clock import FUTURE_FAULT, is_in_future
from diglot.conditions import text
from diglot.conditions.addresses import normalize_address
from diglot.conditions.events.event_readers import EventReaders
from diglot.conditions.events.states import add_event, count_event, read_properties
from diglot.conditions.histories.fields import GatheredByStream
from diglot.conditions.histories.past_events import PastEvent
from diglot.errors import Conflict, DiglotError, InvalidInput, NotFound
from diglot.membership.moves import EventMove
from diglot.membership.writer import load_active_segments, open_writer
from diglot.model.contacts import Contact, ContactChange
from diglot.model.events import ContactEvent, ContactRef, NewEvent, RecordedEvent
from diglot.model.ids import new_id
from diglot.service.contacts import contact_writes, engagement
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from diglot.storage.audience import event_states, events
from diglot.storage.audience.event_states import ContactAndState, ContactKey
from diglot.storage.contacts import remembered_events
from diglot.storage.contacts.remembered_events import EventsBefore
from diglot.storage.write_unit import WriteUnit
from diglot.webhooks import outbox

_encode = msgspec.json.Encoder().encode
# What became of an event; None if the unit has recorded another one of the same contact, so that this one is
# for the next unit.
Outcome = RecordedEvent | DiglotError | None


class ReportedEvent(msgspec.Struct, frozen=True):
    """An event that a client reports, and its contact."""

    contact_ref: ContactRef
    new_event: NewEvent


async def record_event(unit: WriteUnit, contact_ref: ContactRef, new: NewEvent) -> RecordedEvent:
    """Record an event, as `Events.record` does; raise what makes that impossible."""
    [outcome] = await record_events(unit, [ReportedEvent(contact_ref, new)])
    assert outcome is not None
    if isinstance(outcome, DiglotError):
        raise outcome
    return outcome


async def record_events(unit: WriteUnit, reported: Sequence[ReportedEvent]) -> Sequence[Outcome]:
    """Record events, and return what became of each. No two have the same source id."""
    first = unit.take_keys("event", len(reported))
    writes = [_EventWrite(unit, first + place, one) for place, one in enumerate(reported)]
    await _find_first_events(unit, writes)
    await _find_contacts(unit, writes)
    if new := _select_new(writes):
        await _store(unit, new, first)
    return [one.outcome for one in writes]


class _EventWrite:
    """One event: what it is, what was found for it, and what becomes of it."""

    def __init__(self, unit: WriteUnit, number: int, reported: ReportedEvent) -> None:
        self.unit, self.number = unit, number
        self.contact_ref, self.new_event = reported.contact_ref, reported.new_event
        self.name = text.to_nfc(self.new_event.name)
        self.affects_contact = engagement.affects_contact(self.new_event)
        self.first: RecordedEvent | None = None
        self.found: ContactAndState | None = None
        self.outcome: Outcome = None
        self.is_done = False
        self.happened_at = unit.now
        if (given := self.new_event.occurred_at) is not None:
            if is_in_future(given.instant, unit.now):
                self.finish(InvalidInput.at(given.path, FUTURE_FAULT))
            self.happened_at = min(given.instant, unit.now)

    def finish(self, outcome: Outcome) -> None:
        """Leave the event with what became of it."""
        self.outcome, self.is_done = outcome, True

    def ask(self, readers: EventReaders) -> ContactKey:
        """Return what to look up: the contact, its state, and the states that decide with it.

        An event that updates the contact asks conditions about all names, whose states are read apart.
        """
        ref, beside = self.contact_ref, frozenset[str]()
        if not self.affects_contact and self.name in readers.by_name:
            beside = readers.names_beside(self.name).states
        if len(beside) > event_states.MOST_BESIDE:
            beside = frozenset()
        return ContactKey(ref.id, ref.email, (self.name, *sorted(beside)))

    def check_contact(self, found: ContactAndState | None) -> None:
        """Take the contact that was found; if id and address are both given, they must agree."""
        sent = self.contact_ref.email
        if found is None:
            # An event creates no contact, because that would subscribe a person without consent.
            self.finish(NotFound(REFERENCED_CONTACT))
        elif sent not in (None, found.contact.email, normalize_address(found.contact.email)):
            self.finish(InvalidInput.at(("email",), "Is not the address of the contact with this contact_id"))
        elif self.first is not None:
            self.repeat(self.first, found.contact)
        else:
            self.found = found

    def repeat(self, first: RecordedEvent, contact: Contact) -> None:
        """Return an event that was recorded before, unless its `event_id` comes with another contact or name.

        That is a conflict, because the new event would be lost.
        """
        if contact.id == first.contact_id and text.to_nfc(first.event.name) == self.name:
            self.finish(first)
        else:
            self.finish(Conflict("event", "Another event has this event_id"))

    @property
    def contact_and_state(self) -> ContactAndState:
        """What was found for an event that is new."""
        assert self.found is not None
        return self.found

    def record(self, event: ContactEvent) -> None:
        """Leave the event recorded as it is stored."""
        contact = self.contact_and_state.contact
        self.finish(RecordedEvent(event, contact.id, contact.shown_email))

    def compute_contact(self) -> Contact:
        """Return the contact with the fields that the event updates: the same one if there are none."""
        contact = self.contact_and_state.contact
        if not self.affects_contact:
            return contact
        change = ContactChange(engagement.compute_updates(contact, self.new_event, self.happened_at))
        return changed_contact(contact, change, self.unit.now)

    def build_event(self, click: ContactEvent | None) -> ContactEvent:
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
            number=self.number,
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


async def _find_first_events(unit: WriteUnit, writes: Sequence[_EventWrite]) -> None:
    """Find the events that some repeat; an order is known by its id alone."""
    asked = [(source_id, one) for one in writes if not one.is_done and (source_id := one.new_event.source_id)]
    if not asked:
        return
    found = await events.find_by_sources(unit, [source_id for source_id, _ in asked])
    for source_id, one in asked:
        one.first = found.get(source_id)
        if one.first is not None and one.new_event.order_id is not None:
            one.finish(one.first)


async def _find_contacts(unit: WriteUnit, writes: Sequence[_EventWrite]) -> None:
    readers = (await load_active_segments(unit)).readers_of_events
    asked = [one for one in writes if not one.is_done]
    found = await event_states.find_each(unit, [one.ask(readers) for one in asked])
    for one, contact_and_state in zip(asked, found, strict=True):
        one.check_contact(contact_and_state)


def _select_new(writes: Sequence[_EventWrite]) -> Sequence[_EventWrite]:
    """Return the first event of each contact, without those that are older than what the workspace keeps."""
    new: dict[int, _EventWrite] = {}
    for one in writes:
        if one.is_done:
            continue
        if one.happened_at < one.unit.row.events_since:
            # It may repeat one that is deleted, so it is answered, but neither stored nor counted.
            one.record(one.build_event(None))
        else:
            new.setdefault(one.contact_and_state.contact.pk, one)
    return list(new.values())


async def _store(unit: WriteUnit, new: Sequence[_EventWrite], first: int) -> None:
    """Store events of different contacts, and update what follows from them.

    `first` is the first number of the unit: all events that the contacts had before have lower ones.
    """
    built = [one.build_event(await _find_attributed_click(one)) for one in new]
    # The clock first, because what time moved until now was right without the events.
    writer = await open_writer(unit)
    fields = writer.active_segments.history_fields
    asked = [
        EventsBefore(found.contact.pk, one.name, first, None if found.state is None else found.stream)
        for one in new
        for found in (one.contact_and_state,)
    ]
    gathered = await remembered_events.gather_each_before(unit, asked, fields)
    moves = list(map(_count, new, built, gathered))
    stored = await _store_events(unit, new, built, moves)
    contacts = await _move_contacts(unit, new, moves)
    conversions = [
        outbox.converted_event(contact, event, one.new_event.value)
        for one, event, contact in zip(new, stored, contacts, strict=True)
        if one.new_event.value is not None
    ]
    if conversions:
        await outbox.enqueue_events(unit, conversions)
    for one, event in zip(new, stored, strict=True):
        one.record(event)


def _count(one: _EventWrite, event: ContactEvent, gathered: GatheredByStream) -> EventMove:
    """Return what an event moves; one that a machine caused counts only for conditions about such events."""
    counted = count_event(read_properties(event.kind, event.body), event.happened_at)
    stored = event.number, event.happened_at, event.kind, event.body
    found = one.contact_and_state
    after = found.state if counted is None else add_event(found.state, counted)
    new = PastEvent(*stored, by_machine=counted is None)
    return EventMove(found.contact.pk, one.name, found.state, after, new, gathered, found.beside)


async def _store_events(
    unit: WriteUnit, new: Sequence[_EventWrite], built: Sequence[ContactEvent], moves: Sequence[EventMove]
) -> Sequence[ContactEvent]:
    """Store events with the states after them; return the events with the numbers of their names.

    Those that machines caused have no such number.
    """
    states = {
        move.pk: (one.contact_and_state, one.name, move.after)
        for one, move in zip(new, moves, strict=True)
        if move.after is not None and not move.event.by_machine
    }
    streams = dict(zip(states, await event_states.store_each(unit, list(states.values())), strict=True))
    stored = [replace(event, stream=streams.get(move.pk)) for event, move in zip(built, moves, strict=True)]
    pks = (move.pk for move in moves)
    await events.insert_events(unit, list(zip(pks, stored, strict=True)))
    return stored


async def _move_contacts(
    unit: WriteUnit, new: Sequence[_EventWrite], moves: Sequence[EventMove]
) -> Sequence[Contact]:
    """Update the engagement fields of contacts, and memberships; return the contacts as they are now."""
    before = [one.contact_and_state.contact for one in new]
    after = [one.compute_contact() for one in new]
    triples = list(zip(before, after, moves, strict=True))
    updates = [(old, now) for old, now, _ in triples if old is not now]
    await contact_writes.update_contacts(
        unit, updates, [move for old, now, move in triples if old is not now]
    )
    if others := [(old, move) for old, now, move in triples if old is now]:
        await contact_writes.follow_events(unit, others)
    return after


async def _find_attributed_click(one: _EventWrite) -> ContactEvent | None:
    """Return the click that a conversion is attributed to, unless it names its campaign or flow."""
    value, since = one.new_event.value, one.happened_at - one.new_event.attribution_window
    if value is None or value.flow_id is not None or one.new_event.campaign_id is not None:
        return None
    since = max(since, one.unit.row.events_since)
    contact = one.contact_and_state.contact
    if contact.last_clicked_at is None or contact.last_clicked_at < since:
        return None
    return await events.find_last_click(one.unit, contact.pk, since, one.happened_at)
