"""Contacts: create, read, change, delete, import."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict, Invalid, NotFound
from diglot.membership import read
from diglot.membership.count import CountCache
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact, ContactChange, ImportResult, ListName
from diglot.model.ids import parse_id
from diglot.model.pages import CountedPage, Sort, Window
from diglot.model.workspaces import Caller
from diglot.service.contacts import contact_writes, list_members
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from diglot.service.unit_of_work import WriteUnit
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import LockedWorkspace

# Nobody is without a status.
_ANY_CONTACT: Final = tree.Predicate("status", tree.Op.IS_SET)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The use cases of contacts; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)

    async def list_page(
        self,
        caller: Caller,
        window: Window,
        condition: tree.Node | None = None,
        sort: Sort | None = None,
    ) -> CountedPage[Contact]:
        """Return a window of the contacts, newest first or sorted: all, or those of a condition."""

        async def work(transaction: Transaction) -> CountedPage[Contact]:
            state = await workspaces.load_state(transaction, caller.workspace)
            total, at = state.contact_count, read.effective_now(state, self.clock())
            if condition is None and sort is None:
                return CountedPage(
                    await queries.load_contact_page(transaction, caller.workspace, window), total, at
                )
            node = _ANY_CONTACT if condition is None else condition
            relation = MembershipQuery(caller.workspace, node, at, state.zone)
            if condition is not None:
                total = await self.counts.count(transaction, relation, state)
            return CountedPage(await read.load_page(transaction, relation, window, sort), total, at)

        return await self.engine.read(work)

    async def get(self, caller: Caller, id_: str | None) -> Contact:
        """Return a contact by its UUID; raise `NotFound`."""
        return await self.engine.point_read(lambda tx: _require_contact(tx, caller, id_))

    async def get_with_lists(self, caller: Caller, id_: str | None) -> tuple[Contact, list[ListName]]:
        """Return a contact and the lists it is on; raise `NotFound`."""

        async def work(transaction: Transaction) -> tuple[Contact, list[ListName]]:
            contact = await _require_contact(transaction, caller, id_)
            return contact, await queries.load_lists_of(transaction, caller.workspace, contact.pk)

        return await self.engine.read(work)

    async def create(self, caller: Caller, change: ContactChange) -> Contact:
        """Make a contact; raise `Conflict` for an address that exists, `NotFound` for an unknown list."""

        async def work(transaction: Transaction) -> Contact:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, contacts=1, now=now)
            if await queries.find_contact_by_email(transaction, caller.workspace, change.email) is not None:
                raise Conflict("contact", "A contact with this email already exists")
            contact = new_contact(change, locked.first_pk, now)
            await contact_writes.insert_contacts(transaction, caller.workspace, locked, [contact])
            writing = WriteUnit(transaction, caller.workspace, locked, now)
            for id_ in change.lists_to_join:
                await _join_list(writing, id_, contact)
            return contact

        return await self.engine.write(work)

    async def update(self, caller: Caller, id_: str | None, change: ContactChange) -> Contact:
        """Change a contact by its UUID; raise `NotFound`, or `Conflict` for another's address."""

        async def work(transaction: Transaction) -> Contact:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            stored = await _require_contact(transaction, caller, id_)
            return await _update_contact(
                WriteUnit(transaction, caller.workspace, locked, now), stored, change
            )

        return await self.engine.write(work)

    async def update_by_email(self, caller: Caller, email: str, change: ContactChange) -> Contact:
        """Change a contact by its address; raise `NotFound`."""

        async def work(transaction: Transaction) -> Contact:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            stored = await queries.find_contact_by_email(transaction, caller.workspace, email)
            if stored is None:
                raise NotFound("contact")
            return await _update_contact(
                WriteUnit(transaction, caller.workspace, locked, now), stored, change
            )

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a contact; raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, contacts=-1, now=now)
            contact = await _require_contact(transaction, caller, id_)
            await contact_writes.delete_contacts(transaction, caller.workspace, locked, [contact], now)

        await self.engine.write(work)

    async def update_many(self, caller: Caller, ids: Sequence[str], change: ContactChange) -> frozenset[str]:
        """Change contacts by their UUIDs, in one transaction; return which of them exist."""

        async def work(transaction: Transaction) -> frozenset[str]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            found: set[str] = set()
            for part in queries.split_into_parts(ids):
                stored = await _load_contacts(transaction, caller, part)
                pairs = [(contact, changed_contact(contact, change, now)) for contact in stored]
                if changed := [(before, after) for before, after in pairs if after is not before]:
                    await contact_writes.update_contacts(transaction, caller.workspace, locked, changed)
                found.update(contact.id for contact in stored)
            return frozenset(found)

        return await self.engine.write(work)

    async def delete_many(self, caller: Caller, ids: Sequence[str]) -> frozenset[str]:
        """Delete contacts by their UUIDs, in one transaction; return which of them existed."""

        async def work(transaction: Transaction) -> frozenset[str]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            if gone := await _load_contacts(transaction, caller, ids):
                await workspaces.lock(transaction, caller.workspace, contacts=-len(gone), moves_members=False)
                await contact_writes.delete_contacts(transaction, caller.workspace, locked, gone, now)
            return frozenset(contact.id for contact in gone)

        return await self.engine.write(work)

    async def import_all(
        self, caller: Caller, changes: Sequence[ContactChange], *, update_existing: bool = True
    ) -> ImportResult:
        """Make or change contacts by address, in order, in one transaction.

        A change without a status leaves the status of a contact that exists, so that whoever unsubscribed
        stays so. An address that the import gives twice exists the second time. One that would have more
        tags than a contact bears is refused, alone.
        """

        async def work(transaction: Transaction) -> ImportResult:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            batch = _ImportBatch(locked, now, update_existing=update_existing)
            emails = list(dict.fromkeys(change.email for change in changes))
            batch.existing = await queries.find_contacts_by_email(transaction, caller.workspace, emails)
            for change in changes:
                try:
                    batch.apply_change(change)
                except Invalid as invalid:
                    batch.rejected.append(f"{change.email}: {invalid.faults[0].message}")
            await batch.write_contacts(transaction, caller.workspace)
            return ImportResult(len(batch.created), batch.updated_count, batch.skipped_count, batch.rejected)

        return await self.engine.write(work)


async def _update_contact(writing: WriteUnit, stored: Contact, change: ContactChange) -> Contact:
    changed = changed_contact(stored, change, writing.now)
    if changed.email != stored.email:
        other = await queries.find_contact_by_email(writing.transaction, writing.workspace, changed.email)
        if other is not None:
            raise Conflict("contact", "A contact with this email already exists")
    if changed is not stored:
        pair = stored, changed
        await contact_writes.update_contacts(writing.transaction, writing.workspace, writing.locked, [pair])
    return changed


class _ImportBatch:
    """An import in progress: what exists, what is new, what changed."""

    def __init__(self, locked: LockedWorkspace, now: int, *, update_existing: bool) -> None:
        self.locked = locked
        self.now = now
        self.update_existing = update_existing
        self.existing: dict[str, Contact] = {}
        self.created: dict[str, Contact] = {}
        self.updated: dict[str, Contact] = {}
        self.updated_count = 0
        self.skipped_count = 0
        self.rejected: list[str] = []

    def apply_change(self, change: ContactChange) -> None:
        """Take one contact of the import; each counts once, repeated addresses included."""
        email = change.email
        known = self.created.get(email) or self.updated.get(email) or self.existing.get(email)
        if known is None:
            self.created[email] = new_contact(change, self.locked.first_pk + len(self.created), self.now)
        elif not self.update_existing:
            self.skipped_count += 1
        else:
            changed = self.created if email in self.created else self.updated
            changed[email] = changed_contact(known, change, self.now)
            self.updated_count += 1

    async def write_contacts(self, transaction: Transaction, workspace: int) -> None:
        if self.created:
            await workspaces.lock(transaction, workspace, contacts=len(self.created), moves_members=False)
            new = list(self.created.values())
            await contact_writes.insert_contacts(transaction, workspace, self.locked, new)
        pairs = [(self.existing[email], contact) for email, contact in self.updated.items()]
        if changed := [(before, after) for before, after in pairs if after is not before]:
            await contact_writes.update_contacts(transaction, workspace, self.locked, changed)


async def _join_list(writing: WriteUnit, list_id: str, contact: Contact) -> None:
    uuid = parse_id(list_id)
    found = None if uuid is None else await lists.find_by_id(writing.transaction, writing.workspace, uuid)
    if found is None:
        raise NotFound("list")
    list_members.require_static_list(found[0], ("list_id",))
    await list_members.add_contacts(writing, found[0], [contact])


async def _load_contacts(transaction: Transaction, caller: Caller, ids: Sequence[str]) -> list[Contact]:
    found = await queries.find_contacts_by_id(transaction, caller.workspace, ids)
    return sorted(found.values(), key=lambda contact: contact.pk)


async def _require_contact(transaction: Transaction, caller: Caller, id_: str | None) -> Contact:
    found = None if id_ is None else await queries.find_contact_by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("contact")
    return found
