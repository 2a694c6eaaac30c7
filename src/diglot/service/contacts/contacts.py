"""Contacts: create, read, update, delete, import."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict, InvalidInput, NotFound
from diglot.membership import read
from diglot.membership.count import CountCache
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact, ContactChange, ImportResult, ListName
from diglot.model.ids import parse_id
from diglot.model.pages import CountedPage, Sort, Window
from diglot.service.contacts import contact_writes, list_members
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from diglot.service.unit_of_work import point_reads, reads, writes_with
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import MOVES_MEMBERS, Reservation, WriteUnit

# Matches all contacts, because every contact has a status.
_ANY_CONTACT: Final = tree.Predicate("status", tree.Op.IS_SET)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The use cases of contacts; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)

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

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> Contact:
        """Return a contact by its UUID; raise `NotFound`."""
        return await _require_contact(tenant, id_)

    @reads
    async def get_with_lists(self, tenant: Tenant, id_: str | None) -> tuple[Contact, list[ListName]]:
        """Return a contact and its lists; raise `NotFound`."""
        contact = await _require_contact(tenant, id_)
        return contact, await queries.load_lists_of(tenant, contact.pk)

    @writes_with(Reservation(moves_members=True, contacts=1))
    async def create(self, unit: WriteUnit, change: ContactChange) -> Contact:
        """Create a contact; raise `Conflict` for an address in use, `NotFound` for an unknown list."""
        if await queries.find_contact_by_email(unit, change.email) is not None:
            raise Conflict("contact", "A contact with this email already exists")
        contact = new_contact(change, unit.take_keys("pk"), unit.now)
        await contact_writes.insert_contacts(unit, [contact])
        for id_ in change.lists_to_join:
            await _join_list(unit, id_, contact)
        return contact

    @writes_with(MOVES_MEMBERS)
    async def update(self, unit: WriteUnit, id_: str | None, change: ContactChange) -> Contact:
        """Update a contact by its UUID; raise `NotFound`, or `Conflict` for an address in use."""
        stored = await _require_contact(unit, id_)
        return await _update_contact(unit, stored, change)

    @writes_with(MOVES_MEMBERS)
    async def update_by_email(self, unit: WriteUnit, email: str, change: ContactChange) -> Contact:
        """Update a contact by its address; raise `NotFound`."""
        stored = await queries.find_contact_by_email(unit, email)
        if stored is None:
            raise NotFound("contact")
        return await _update_contact(unit, stored, change)

    @writes_with(Reservation(moves_members=True, contacts=-1))
    async def delete(self, unit: WriteUnit, id_: str | None) -> None:
        """Delete a contact; raise `NotFound`."""
        contact = await _require_contact(unit, id_)
        await contact_writes.delete_contacts(unit, [contact])

    @writes_with(MOVES_MEMBERS)
    async def update_many(self, unit: WriteUnit, ids: Sequence[str], change: ContactChange) -> frozenset[str]:
        """Update contacts by their UUIDs in one transaction; return which of them exist."""
        existing_ids: set[str] = set()
        for part in queries.split_into_parts(ids):
            stored = await _load_contacts(unit, part)
            pairs = [(contact, changed_contact(contact, change, unit.now)) for contact in stored]
            if changed := [(before, after) for before, after in pairs if after is not before]:
                await contact_writes.update_contacts(unit, changed)
            existing_ids.update(contact.id for contact in stored)
        return frozenset(existing_ids)

    @writes_with(MOVES_MEMBERS)
    async def delete_many(self, unit: WriteUnit, ids: Sequence[str]) -> frozenset[str]:
        """Delete contacts by their UUIDs in one transaction; return which of them existed."""
        if contacts := await _load_contacts(unit, ids):
            await contact_writes.delete_contacts(unit, contacts)
        return frozenset(contact.id for contact in contacts)

    @writes_with(MOVES_MEMBERS)
    async def import_all(
        self,
        unit: WriteUnit,
        changes: Sequence[ContactChange],
        *,
        update_existing: bool = True,
    ) -> ImportResult:
        """Create or update contacts by address, in order, in one transaction.

        A row without a status keeps the status of an existing contact, so unsubscribed contacts stay
        unsubscribed. A repeated address updates the contact of its first row. A row that would exceed the
        maximum number of tags is rejected; the others are imported.
        """
        batch = _ImportBatch(unit, update_existing=update_existing)
        emails = list(dict.fromkeys(change.email for change in changes))
        batch.existing = await queries.find_contacts_by_email(unit, emails)
        for change in changes:
            try:
                batch.apply_change(change)
            except InvalidInput as invalid:
                batch.rejected.append(f"{change.email}: {invalid.faults[0].message}")
        await batch.write_contacts()
        return ImportResult(len(batch.created), batch.updated_count, batch.skipped_count, batch.rejected)


async def _update_contact(unit: WriteUnit, stored: Contact, change: ContactChange) -> Contact:
    changed = changed_contact(stored, change, unit.now)
    if changed.email != stored.email:
        other = await queries.find_contact_by_email(unit, changed.email)
        if other is not None:
            raise Conflict("contact", "A contact with this email already exists")
    if changed is not stored:
        await contact_writes.update_contacts(unit, [(stored, changed)])
    return changed


class _ImportBatch:
    """An import in progress: existing, new and updated contacts."""

    def __init__(self, unit: WriteUnit, *, update_existing: bool) -> None:
        self.unit = unit
        self.update_existing = update_existing
        self.existing: dict[str, Contact] = {}
        self.created: dict[str, Contact] = {}
        self.updated: dict[str, Contact] = {}
        self.updated_count = 0
        self.skipped_count = 0
        self.rejected: list[str] = []

    def apply_change(self, change: ContactChange) -> None:
        """Apply one row of the import; every row is counted, even with a repeated address."""
        email = change.email
        contact = self.created.get(email) or self.updated.get(email) or self.existing.get(email)
        if contact is None:
            self.created[email] = new_contact(change, self.unit.take_keys("pk"), self.unit.now)
        elif not self.update_existing:
            self.skipped_count += 1
        else:
            changed = self.created if email in self.created else self.updated
            changed[email] = changed_contact(contact, change, self.unit.now)
            self.updated_count += 1

    async def write_contacts(self) -> None:
        """Insert the new contacts, then update the changed ones."""
        await contact_writes.insert_contacts(self.unit, list(self.created.values()))
        pairs = [(self.existing[email], contact) for email, contact in self.updated.items()]
        if changed := [(before, after) for before, after in pairs if after is not before]:
            await contact_writes.update_contacts(self.unit, changed)


async def _join_list(unit: WriteUnit, list_id: str, contact: Contact) -> None:
    uuid = parse_id(list_id)
    list_with_count = None if uuid is None else await lists.find_by_id(unit, uuid)
    if list_with_count is None:
        raise NotFound("list")
    list_members.require_static_list(list_with_count[0], ("list_id",))
    await list_members.add_contacts(unit, list_with_count[0], [contact])


async def _load_contacts(tenant: Tenant, ids: Sequence[str]) -> list[Contact]:
    contacts = await queries.find_contacts_by_id(tenant, ids)
    return sorted(contacts.values(), key=lambda contact: contact.pk)


async def _require_contact(tenant: Tenant, id_: str | None) -> Contact:
    contact = None if id_ is None else await queries.find_contact_by_id(tenant, id_)
    if contact is None:
        raise NotFound("contact")
    return contact
