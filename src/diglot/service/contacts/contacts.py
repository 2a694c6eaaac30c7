"""Contacts: create, read, change, delete, import."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict, Invalid, NotFound
from diglot.membership import read
from diglot.membership.count import Counts
from diglot.membership.read import Relation
from diglot.model.contacts import Change, Contact, Imported, ListName
from diglot.model.ids import read_id
from diglot.model.pages import CountedPage, Sort, Window
from diglot.model.workspaces import Caller
from diglot.service.audience.segment_writes import Writing
from diglot.service.contacts import contact_writes, list_members
from diglot.service.contacts.contact_changes import changed_contact, new_contact
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import Locked

# Nobody is without a status.
_EVERYBODY: Final = tree.Predicate("status", tree.Op.IS_SET)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The use cases of contacts; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock
    counts: Counts = field(default_factory=Counts)

    async def page(
        self,
        caller: Caller,
        window: Window,
        condition: tree.Node | None = None,
        sort: Sort | None = None,
    ) -> CountedPage[Contact]:
        """Return a window of the contacts, newest first or sorted: all, or those of a condition."""

        async def work(transaction: Transaction) -> CountedPage[Contact]:
            state = await workspaces.state(transaction, caller.workspace)
            total, at = state.contact_count, read.read_at(state, self.clock())
            if condition is None and sort is None:
                return CountedPage(await queries.page(transaction, caller.workspace, window), total, at)
            node = _EVERYBODY if condition is None else condition
            relation = Relation(caller.workspace, node, at, state.zone)
            if condition is not None:
                total = await self.counts.count(transaction, relation, state)
            return CountedPage(await read.page(transaction, relation, window, sort), total, at)

        return await self.engine.read(work)

    async def get(self, caller: Caller, id_: str | None) -> Contact:
        """Return a contact by its UUID; raise `NotFound`."""
        return await self.engine.glance(lambda tx: _by_id(tx, caller, id_))

    async def get_with_lists(self, caller: Caller, id_: str | None) -> tuple[Contact, list[ListName]]:
        """Return a contact and the lists it is on; raise `NotFound`."""

        async def work(transaction: Transaction) -> tuple[Contact, list[ListName]]:
            contact = await _by_id(transaction, caller, id_)
            return contact, await queries.lists_of(transaction, caller.workspace, contact.pk)

        return await self.engine.read(work)

    async def create(self, caller: Caller, change: Change) -> Contact:
        """Make a contact; raise `Conflict` for an address that exists, `NotFound` for an unknown list."""

        async def work(transaction: Transaction) -> Contact:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, contacts=1, now=now)
            if await queries.by_email(transaction, caller.workspace, change.email) is not None:
                raise Conflict("contact", "A contact with this email already exists")
            contact = new_contact(change, locked.pk, now)
            await contact_writes.insert(transaction, caller.workspace, locked, [contact])
            writing = Writing(transaction, caller.workspace, locked, now)
            for id_ in change.lists:
                await _join(writing, id_, contact)
            return contact

        return await self.engine.write(work)

    async def change(self, caller: Caller, id_: str | None, change: Change) -> Contact:
        """Change a contact by its UUID; raise `NotFound`, or `Conflict` for another's address."""

        async def work(transaction: Transaction) -> Contact:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            stored = await _by_id(transaction, caller, id_)
            return await _change(Writing(transaction, caller.workspace, locked, now), stored, change)

        return await self.engine.write(work)

    async def change_by_email(self, caller: Caller, email: str, change: Change) -> Contact:
        """Change a contact by its address; raise `NotFound`."""

        async def work(transaction: Transaction) -> Contact:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            stored = await queries.by_email(transaction, caller.workspace, email)
            if stored is None:
                raise NotFound("contact")
            return await _change(Writing(transaction, caller.workspace, locked, now), stored, change)

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a contact; raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, contacts=-1, now=now)
            contact = await _by_id(transaction, caller, id_)
            await contact_writes.remove(transaction, caller.workspace, locked, [contact], now)

        await self.engine.write(work)

    async def change_many(self, caller: Caller, ids: Sequence[str], change: Change) -> frozenset[str]:
        """Change contacts by their UUIDs, in one transaction; return which of them exist."""

        async def work(transaction: Transaction) -> frozenset[str]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            found: set[str] = set()
            for part in queries.parts(ids):
                stored = await _by_ids(transaction, caller, part)
                pairs = [(contact, changed_contact(contact, change, now)) for contact in stored]
                if changed := [(before, after) for before, after in pairs if after is not before]:
                    await contact_writes.update(transaction, caller.workspace, locked, changed)
                found.update(contact.id for contact in stored)
            return frozenset(found)

        return await self.engine.write(work)

    async def delete_many(self, caller: Caller, ids: Sequence[str]) -> frozenset[str]:
        """Delete contacts by their UUIDs, in one transaction; return which of them existed."""

        async def work(transaction: Transaction) -> frozenset[str]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            if gone := await _by_ids(transaction, caller, ids):
                await workspaces.lock(transaction, caller.workspace, contacts=-len(gone), moves=False)
                await contact_writes.remove(transaction, caller.workspace, locked, gone, now)
            return frozenset(contact.id for contact in gone)

        return await self.engine.write(work)

    async def import_all(
        self, caller: Caller, changes: Sequence[Change], *, update_existing: bool = True
    ) -> Imported:
        """Make or change contacts by address, in order, in one transaction.

        A change without a status leaves the status of a contact that exists, so that whoever unsubscribed
        stays so. An address that the import gives twice exists the second time. One that would have more
        tags than a contact bears is refused, alone.
        """

        async def work(transaction: Transaction) -> Imported:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            batch = _Import(locked, now, update_existing=update_existing)
            emails = list(dict.fromkeys(change.email for change in changes))
            batch.stored = await queries.by_emails(transaction, caller.workspace, emails)
            for change in changes:
                try:
                    batch.take(change)
                except Invalid as invalid:
                    batch.refused.append(f"{change.email}: {invalid.faults[0].message}")
            await batch.write(transaction, caller.workspace)
            return Imported(len(batch.created), batch.changes, batch.skipped, batch.refused)

        return await self.engine.write(work)


async def _change(writing: Writing, stored: Contact, change: Change) -> Contact:
    changed = changed_contact(stored, change, writing.now)
    if changed.email != stored.email:
        other = await queries.by_email(writing.transaction, writing.workspace, changed.email)
        if other is not None:
            raise Conflict("contact", "A contact with this email already exists")
    if changed is not stored:
        pair = stored, changed
        await contact_writes.update(writing.transaction, writing.workspace, writing.locked, [pair])
    return changed


class _Import:
    """An import in progress: what exists, what is new, what changed."""

    def __init__(self, locked: Locked, now: int, *, update_existing: bool) -> None:
        self.locked = locked
        self.now = now
        self.update_existing = update_existing
        self.stored: dict[str, Contact] = {}
        self.created: dict[str, Contact] = {}
        self.updated: dict[str, Contact] = {}
        self.changes = 0
        self.skipped = 0
        self.refused: list[str] = []

    def take(self, change: Change) -> None:
        """Take one contact of the import; each counts once, repeated addresses included."""
        email = change.email
        known = self.created.get(email) or self.updated.get(email) or self.stored.get(email)
        if known is None:
            self.created[email] = new_contact(change, self.locked.pk + len(self.created), self.now)
        elif not self.update_existing:
            self.skipped += 1
        else:
            changed = self.created if email in self.created else self.updated
            changed[email] = changed_contact(known, change, self.now)
            self.changes += 1

    async def write(self, transaction: Transaction, workspace: int) -> None:
        if self.created:
            await workspaces.lock(transaction, workspace, contacts=len(self.created), moves=False)
            new = list(self.created.values())
            await contact_writes.insert(transaction, workspace, self.locked, new)
        pairs = [(self.stored[email], contact) for email, contact in self.updated.items()]
        if changed := [(before, after) for before, after in pairs if after is not before]:
            await contact_writes.update(transaction, workspace, self.locked, changed)


async def _join(writing: Writing, list_id: str, contact: Contact) -> None:
    uuid = read_id(list_id)
    found = None if uuid is None else await lists.by_id(writing.transaction, writing.workspace, uuid)
    if found is None:
        raise NotFound("list")
    list_members.require_static(found[0], ("list_id",))
    await list_members.join(writing, found[0], [contact])


async def _by_ids(transaction: Transaction, caller: Caller, ids: Sequence[str]) -> list[Contact]:
    found = await queries.by_ids(transaction, caller.workspace, ids)
    return sorted(found.values(), key=lambda contact: contact.pk)


async def _by_id(transaction: Transaction, caller: Caller, id_: str | None) -> Contact:
    found = None if id_ is None else await queries.by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("contact")
    return found
