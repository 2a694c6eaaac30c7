"""Webhooks of a vendor: what they tell becomes events, and an opt-out lowers the status of its contact.

A webhook creates no contact, and raises no status: only `status` or `subscribed` of a client does.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from diglot.clock import Clock, system_clock
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, NewEvent
from diglot.model.webhooks import WebhookSource
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.event_writes import record_event
from diglot.service.unit_of_work import reads, writes_with
from diglot.storage.audience import events
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.webhooks import sources
from diglot.storage.workspaces import IN_DELETION
from diglot.storage.write_unit import Reservation, WriteUnit


class Outcome(enum.StrEnum):
    """What became of a webhook; one that is older than the events that are kept counts as recorded, too."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    NO_CONTACT = "no_contact"
    IGNORED = "ignored"


class ReceivedEvent(msgspec.Struct, frozen=True):
    """An event that a webhook tells of, by the address of its contact, and the status that it lowers to."""

    email: str
    new: NewEvent
    lowers: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedWebhooks:
    """The use cases of webhooks that vendors send; each is one transaction."""

    engine: Engine
    clock: Clock = system_clock

    async def find_source(self, dialect: str, id_: str | None) -> WebhookSource | None:
        """Return a source of a dialect by its id; None if there is none, or if it has no secret yet."""
        found = None if id_ is None else await sources.fetch(self.engine, id_)
        if found is None or found.dialect != dialect or not found.secret:
            return None
        return None if found.time_zone == IN_DELETION else found

    @reads
    async def list_sources(self, tenant: Tenant) -> Sequence[WebhookSource]:
        """Return where webhooks of vendors arrive for the workspace, oldest first."""
        return await sources.list_of_workspace(tenant)

    @writes_with(Reservation(moves_members=True, events=1))
    async def receive(self, unit: WriteUnit, received: ReceivedEvent) -> Outcome:
        """Record an event, and lower the status of its contact; a repetition changes nothing."""
        source_id = received.new.source_id
        assert source_id is not None
        if await events.find_by_sources(unit, [source_id]):
            return Outcome.REPEATED
        contact = await queries.find_contact_by_email(unit, received.email)
        if contact is None:
            return Outcome.NO_CONTACT
        await record_event(unit, ContactRef(contact.id, None), received.new)
        if received.lowers is not None:
            await _lower(unit, contact.id, received.lowers)
        return Outcome.RECORDED


async def _lower(unit: WriteUnit, id_: str, status: str) -> None:
    """Lower the status of a contact; of several, the strictest wins."""
    contact = await queries.find_contact_by_id(unit, id_)
    assert contact is not None
    lowered = changed_contact(contact, ContactChange(lowered=status), unit.now)
    if lowered is contact:
        await contact_writes.repeat_opt_outs(unit, [contact])
    else:
        await contact_writes.update_contacts(unit, [(contact, lowered)])
