"""Events: what contacts did, told once, with what follows for the contact in the same transaction."""

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.errors import Invalid, NotFound
from diglot.model import webhooks
from diglot.model.contacts import Change, Contact
from diglot.model.events import Event, NewEvent, Told, Wanted, Who, Worth
from diglot.model.ids import new_id
from diglot.model.pages import Page, Window
from diglot.model.webhooks import Conversion, Occurrence, Subject
from diglot.model.workspaces import Caller
from diglot.service.contacts import contact_writes, engagement
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contacts_by_id import NAMED_CONTACT
from diglot.storage import workspaces
from diglot.storage.audience import events
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.webhooks import outbox

# How far the clock of whoever tells of an event may run ahead of ours.
MOST_AHEAD: Final = 5 * 60 * 1_000_000
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Events:
    """The use cases of events; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock

    async def record(self, caller: Caller, who: Who, new: NewEvent) -> Told:
        """Store an event and move the contact's engagement fields; raise `NotFound` for an unknown contact.

        An order that was told before is answered with what was told first, and moves nothing.
        """

        async def work(transaction: Transaction) -> Told:
            # Not before: it may have waited long for its turn, and the clock would seem to be set back.
            now = self.clock()
            return await _Telling(transaction, caller.workspace, new, _instant(new, now), now).told(who)

        return await self.engine.write(work)

    async def conversions(self, caller: Caller, wanted: Wanted, window: Window) -> Page[Told]:
        """Return a window of the conversions, newest first; an unknown contact has none."""
        return await self.engine.read(lambda tx: events.conversions(tx, caller.workspace, wanted, window))


def _instant(new: NewEvent, now: int) -> int:
    if new.when is None:
        return now
    if new.when.instant > now + MOST_AHEAD:
        raise Invalid.at(new.when.path, "Must not lie in the future")
    return min(new.when.instant, now)


@dataclass(frozen=True, slots=True)
class _Telling:
    """An event being told, in a transaction."""

    transaction: Transaction
    workspace: int
    new: NewEvent
    happened_at: int
    now: int

    async def told(self, who: Who) -> Told:
        moves = engagement.moves(self.new)
        locked = await workspaces.lock(self.transaction, self.workspace, events=1, moves=moves, now=self.now)
        if self.new.order_id is not None:
            first = await events.by_order(self.transaction, self.workspace, self.new.order_id)
            if first is not None:
                return first
        contact = await self.contact(who)
        event = self.event(locked.event, await self.click(contact))
        await events.insert_event(self.transaction, self.workspace, contact.pk, event)
        if moves:
            change = Change(engagement.moved(contact, self.new, self.happened_at))
            pair = contact, changed_contact(contact, change, self.now)
            await contact_writes.update(self.transaction, self.workspace, locked, [pair])
            contact = pair[1]
        if self.new.worth is not None:
            occurrence = _converted(contact, event, self.new.worth)
            await outbox.emit(self.transaction, self.workspace, locked, [occurrence], self.now)
        return Told(event, contact.id, contact.email)

    async def contact(self, who: Who) -> Contact:
        """Return whose event it is; where id and address are given they have to agree."""
        found = None
        if who.id is not None:
            found = await queries.by_id(self.transaction, self.workspace, who.id)
        elif who.email is not None:
            found = await queries.by_email(self.transaction, self.workspace, who.email)
        if found is None:
            # An event makes no contact: somebody who never asked for mail would be subscribed by it.
            raise NotFound(NAMED_CONTACT)
        if who.email not in (None, found.email):
            raise Invalid.at(("email",), "Is not the address of the contact with this contact_id")
        return found

    async def click(self, contact: Contact) -> Event | None:
        """Return the click that a conversion is put down to, where it is not told what earned it."""
        worth, since = self.new.worth, self.happened_at - self.new.window
        if worth is None or worth.flow_id is not None or self.new.campaign_id is not None:
            return None
        if contact.last_clicked_at is None or contact.last_clicked_at < since:
            return None
        return await events.last_click(self.transaction, self.workspace, contact.pk, since, self.happened_at)

    def event(self, number: int, click: Event | None) -> Event:
        """Return the event as it is stored."""
        new, campaign_id, body = self.new, self.new.campaign_id, self.new.body
        if new.worth is not None:
            worth = new.worth
            if click is not None:
                campaign_id, worth = click.campaign_id, replace(worth, clicked_at=click.happened_at)
            body = _encode(worth).decode()
        return Event(
            number=number,
            id=new_id(),
            kind=new.kind,
            name=new.name,
            order_id=new.order_id,
            campaign_id=campaign_id,
            happened_at=self.happened_at,
            created_at=self.now,
            body=body,
        )


def _converted(contact: Contact, event: Event, worth: Worth) -> Occurrence:
    """Return what webhooks hear of a conversion."""
    conversion = Conversion(
        id=event.id,
        type=event.name,
        revenue=worth.revenue,
        currency=worth.currency,
        order_id=event.order_id,
        campaign_id=event.campaign_id,
        converted_at=event.happened_at,
        metadata=worth.metadata,
    )
    return Occurrence(webhooks.Event.CONVERTED, Subject(contact, conversion=conversion))
