"""Events: records what contacts did, and updates their engagement fields in the same transaction."""

from collections.abc import Collection
from dataclasses import dataclass, field

from diglot.clock import Clock, system_clock
from diglot.errors import NotFound
from diglot.model.events import ContactRef, ConversionFilter, EventFilter, NewEvent, RecordedEvent
from diglot.model.pages import Page, Window
from diglot.model.segments import Condition
from diglot.model.workspaces import Caller
from diglot.service.contacts.event_batches import ONE_EVENT, EventBatches
from diglot.service.contacts.event_writes import ReportedEvent, record_event
from diglot.service.limits import require_kept
from diglot.service.unit_of_work import point_reads, reads, writes_with
from diglot.storage.audience import event_expiry, event_pages, event_states, events
from diglot.storage.audience.event_expiry import EventRetention
from diglot.storage.sql.engine import Engine, NestedEngine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit


@dataclass(frozen=True, slots=True)
class Events:
    """The use cases of events; every call is one transaction within the caller's workspace.

    Events that wait for the lock of the workspace share a transaction.
    """

    engine: Engine
    clock: Clock = system_clock
    batches: EventBatches = field(default_factory=EventBatches)

    async def record(self, caller: Caller, contact_ref: ContactRef, new: NewEvent) -> RecordedEvent:
        """Store an event and update the contact's engagement fields; raise `NotFound` for an unknown contact.

        An event that was recorded before is returned as it was, and changes nothing; `Conflict` if its
        `event_id` comes with another contact or name. One that is older than the events that the workspace
        keeps changes nothing, either.
        """
        if isinstance(self.engine, NestedEngine):
            return await self._record_alone(caller, contact_ref, new)
        reported = ReportedEvent(contact_ref, new)
        return await self.batches.record(self.engine, self.clock, caller.workspace, reported)

    @writes_with(ONE_EVENT)
    async def _record_alone(self, unit: WriteUnit, contact_ref: ContactRef, new: NewEvent) -> RecordedEvent:
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
