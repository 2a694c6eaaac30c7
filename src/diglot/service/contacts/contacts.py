"""Contacts: create, read, update, delete, import."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.addresses import normalize_address
from diglot.errors import Conflict, NotFound
from diglot.membership import read
from diglot.membership.count import CountCache
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact, ContactChange, ImportResult, ListName
from diglot.model.ids import new_id, parse_id
from diglot.model.pages import CountedPage, Sort, Window
from diglot.model.workspaces import DEFAULT_LIMITS, Caller, WorkspaceLimits
from diglot.service.contacts import contact_writes, list_members
from diglot.service.contacts.bulk_writes import BulkDeletion, BulkUpdate, Import
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from diglot.service.contacts.import_batch import ImportRules
from diglot.service.limits import require_room
from diglot.service.parts import Checkpoint, Memory, PartwiseWrite, Progress
from diglot.service.unit_of_work import point_reads, reads, writes_with
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import address_prefix, queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import MOVES_MEMBERS, Reservation, WriteUnit

P = TypeVar("P", bound=Progress)
# Matches all contacts, because every contact has a status.
_ANY_CONTACT: Final = tree.Predicate("status", tree.Op.IS_SET)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The use cases of contacts; every call within the caller's workspace, in one transaction or in parts."""

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)
    limits: WorkspaceLimits = DEFAULT_LIMITS

    @reads
    async def list_page(
        self,
        tenant: Tenant,
        window: Window,
        condition: tree.Node | None = None,
        sort: Sort | None = None,
    ) -> CountedPage[Contact]:
        """Return a window of all contacts, or of those that match a condition, newest first or sorted."""
        state = await workspaces.load_state(tenant)
        total, at = state.contact_count, read.effective_now(state, self.clock())
        if condition is None and sort is None:
            page = await queries.load_contact_page(tenant, window)
            return CountedPage(page, total, at)
        node = _ANY_CONTACT if condition is None else condition
        query = MembershipQuery(node, at, state.zone)
        if condition is not None:
            total = await self.counts.count(tenant, query, state)
        return CountedPage(await read.load_page(tenant, query, window, sort), total, at)

    @reads
    async def list_by_prefix(self, tenant: Tenant, prefix: str, window: Window) -> list[Contact]:
        """Return a window of the contacts whose address begins with a text, by address, from an index."""
        return await address_prefix.load_page(tenant, prefix, window)

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> Contact:
        """Return a contact by its UUID; raise `NotFound`."""
        return await _require_contact(tenant, id_)

    @point_reads
    async def get_by_email(self, tenant: Tenant, email: str) -> Contact:
        """Return a contact by its address, as sent; raise `NotFound`."""
        contact = await queries.find_contact_by_email(tenant, normalize_address(email))
        if contact is None:
            raise NotFound("contact")
        return contact

    @reads
    async def get_with_lists(self, tenant: Tenant, id_: str | None) -> tuple[Contact, list[ListName]]:
        """Return a contact and its lists; raise `NotFound`."""
        contact = await _require_contact(tenant, id_)
        return contact, await queries.load_lists_of(tenant, contact.pk)

    @writes_with(Reservation(moves_members=True, contacts=1))
    async def create(self, unit: WriteUnit, change: ContactChange) -> Contact:
        """Create a contact; raise `Conflict` for an address in use, `NotFound` for an unknown list.

        Raise `LimitReached` if the workspace has as many contacts as it may have.
        """
        if await queries.find_contact_by_email(unit, change.email) is not None:
            raise Conflict("contact", "A contact with this email already exists")
        require_room("contacts", self.limits.contacts, unit.row.contact_count)
        contact = new_contact(change, unit.take_keys("pk"), new_id(), unit.now)
        await contact_writes.insert_contacts(unit, [contact])
        for id_ in change.lists_to_join:
            await _join_list(unit, id_, contact)
        return contact

    @writes_with(MOVES_MEMBERS)
    async def update(
        self,
        unit: WriteUnit,
        id_: str | None,
        change: ContactChange,
        check: Callable[[Contact], None] | None = None,
    ) -> Contact:
        """Update a contact by its UUID; raise `NotFound`, or `Conflict` for an address in use.

        `check` is called with the contact as it is stored now, and raises what keeps it from being updated.
        """
        holder: Contact | None = None
        if id_ is None or "email" not in change.values:
            stored = await _require_contact(unit, id_)
        else:
            found, holder = await queries.find_contact_and_holder(unit, id_, change.email)
            if found is None:
                raise NotFound("contact")
            stored = found
        if check is not None:
            check(stored)
        return await _update_contact(unit, stored, change, holder)

    @writes_with(MOVES_MEMBERS)
    async def update_by_email(self, unit: WriteUnit, email: str, change: ContactChange) -> Contact:
        """Update a contact by its address; raise `NotFound`."""
        stored = await queries.find_contact_by_email(unit, email)
        if stored is None:
            raise NotFound("contact")
        return await _update_contact(unit, stored, change.without_address())

    @writes_with(Reservation(moves_members=True, contacts=-1))
    async def delete(self, unit: WriteUnit, id_: str | None) -> None:
        """Delete a contact; raise `NotFound`."""
        contact = await _require_contact(unit, id_)
        await contact_writes.delete_contacts(unit, [contact])

    async def update_many(
        self, caller: Caller, ids: Sequence[str], change: ContactChange, checkpoint: Checkpoint | None = None
    ) -> tuple[frozenset[str], int]:
        """Update contacts by their UUIDs, in parts; return which of them exist, and how many changed."""
        progress = await self._write_in_parts(caller, BulkUpdate(ids, change).in_parts(), checkpoint)
        return progress.existing_among(ids), progress.changed

    async def delete_many(
        self, caller: Caller, ids: Sequence[str], checkpoint: Checkpoint | None = None
    ) -> frozenset[str]:
        """Delete contacts by their UUIDs, in parts; return which of them existed."""
        progress = await self._write_in_parts(caller, BulkDeletion(ids).in_parts(), checkpoint)
        return progress.existing_among(ids)

    async def import_all(
        self,
        caller: Caller,
        changes: Sequence[ContactChange],
        *,
        update_existing: bool = True,
        checkpoint: Checkpoint | None = None,
    ) -> ImportResult:
        """Create or update contacts by address, in order, in parts.

        A row without a status keeps the status of an existing contact, so unsubscribed contacts stay
        unsubscribed. A repeated address updates the contact of its first row. A row that would exceed the
        maximum number of tags, or of the workspace's contacts, is rejected; the others are imported.
        """
        rules = ImportRules(update_existing, self.limits.contacts)
        work = Import(changes, rules).in_parts()
        return (await self._write_in_parts(caller, work, checkpoint)).to_result(changes)

    async def _write_in_parts(
        self, caller: Caller, work: PartwiseWrite[P], checkpoint: Checkpoint | None
    ) -> P:
        return await work.run(self.engine, caller.workspace, self.clock, checkpoint or Memory())


async def _update_contact(
    unit: WriteUnit, stored: Contact, change: ContactChange, holder: Contact | None = None
) -> Contact:
    """Update a contact; `holder` is another one that has its new address."""
    changed = changed_contact(stored, change, unit.now)
    if holder is not None:
        raise Conflict("contact", "A contact with this email already exists")
    if changed is not stored:
        await contact_writes.update_contacts(unit, [(stored, changed)])
    elif change.lowers_status:
        await contact_writes.repeat_opt_outs(unit, [stored])
    return changed


async def _join_list(unit: WriteUnit, list_id: str, contact: Contact) -> None:
    uuid = parse_id(list_id)
    list_with_count = None if uuid is None else await lists.find_by_id(unit, uuid)
    if list_with_count is None:
        raise NotFound("list")
    list_members.require_static_list(list_with_count[0], ("list_id",))
    await list_members.add_contacts(unit, list_with_count[0], [contact])


async def _require_contact(tenant: Tenant, id_: str | None) -> Contact:
    contact = None if id_ is None else await queries.find_contact_by_id(tenant, id_)
    if contact is None:
        raise NotFound("contact")
    return contact
