"""Lists: create, read, change, delete, and who is on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msgspec import UNSET

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import NotFound
from diglot.membership import evaluate, read
from diglot.membership.count import CountCache
from diglot.membership.next_change import with_next_change
from diglot.membership.read import MembershipQuery
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.ids import new_id
from diglot.model.lists import ContactList, CountedList
from diglot.model.pages import CountedPage, Page, Window
from diglot.model.segments import Condition, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience import segment_writes
from diglot.service.audience.segment_writes import NewSegment, SegmentPatch
from diglot.service.contacts import list_members
from diglot.service.contacts.contacts_by_id import require_contacts
from diglot.service.unit_of_work import WriteUnit
from diglot.storage import workspaces
from diglot.storage.audience import lists, segments
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import WorkspaceState


@dataclass(frozen=True, slots=True)
class NewList:
    """A list to make: a dynamic one where it has a condition."""

    name: str
    description: str | None = None
    condition: Condition | None = None


@dataclass(slots=True)
class Lists:
    """The use cases of lists; every call is one transaction within the caller's workspace.

    A dynamic list is a segment under another name: what is done with its condition is done by the code of
    segments.
    """

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)

    async def list_page(
        self, caller: Caller, window: Window, list_type: SegmentType | None = None, search: str | None = None
    ) -> Page[CountedList]:
        """Return a window of the lists with their counts, newest first, all of one state."""

        async def work(transaction: Transaction) -> Page[CountedList]:
            page = await lists.load_page(transaction, caller.workspace, window, list_type, search)
            state = await workspaces.load_state(transaction, caller.workspace)
            now = self.clock()
            counted = [await self._with_count(transaction, caller, found, state, now) for found in page.items]
            return Page(counted, page.total)

        return await self.engine.read(work)

    async def get_without_count(self, caller: Caller, id_: str | None) -> ContactList:
        """Return a list without its count; raise `NotFound`."""
        one, _ = await self.engine.point_read(lambda tx: _require_list(tx, caller, id_))
        return one

    async def get(self, caller: Caller, id_: str | None) -> CountedList:
        """Return a list with its count; raise `NotFound`."""

        async def work(transaction: Transaction) -> CountedList:
            found = await _require_list(transaction, caller, id_)
            state = await workspaces.load_state(transaction, caller.workspace)
            return await self._with_count(transaction, caller, found, state, self.clock())

        return await self.engine.read(work)

    async def list_members(
        self, caller: Caller, id_: str | None, window: Window, condition: tree.Node | None = None
    ) -> CountedPage[Contact]:
        """Return a window of the contacts on a list, or of those that a condition is true for too.

        They stand newest first. Raise `NotFound`.
        """

        async def work(transaction: Transaction) -> CountedPage[Contact]:
            one, _ = await _require_list(transaction, caller, id_)
            state = await workspaces.load_state(transaction, caller.workspace)
            relation = _members_query(caller, one, self.clock(), state).restricted_to(condition)
            total = await self.counts.count(transaction, relation, state)
            page = await read.load_page(transaction, relation, window)
            revision = None if one.segment is None else one.segment.revision
            return CountedPage(page, total, relation.now, revision)

        return await self.engine.read(work)

    async def create(self, caller: Caller, new: NewList) -> CountedList:
        """Make a list."""

        async def work(transaction: Transaction) -> CountedList:
            now = self.clock()
            behind = int(new.condition is not None)
            locked = await workspaces.lock(
                transaction, caller.workspace, lists=1, segments=behind, moves_members=False, now=now
            )
            writing = WriteUnit(transaction, caller.workspace, locked, now)
            one = ContactList(locked.first_list, new_id(), new.name, new.description, None, now, now)
            if new.condition is not None:
                made = NewSegment(new.name, new.condition, new.description)
                one = replace(one, segment=await segment_writes.create_segment(writing, made, one))
            await lists.insert_list(transaction, caller.workspace, one)
            return await self._reload_with_count(transaction, caller, one)

        return await self.engine.write(work)

    async def update(self, caller: Caller, id_: str | None, change: SegmentPatch) -> CountedList:
        """Change a list; raise `NotFound`. What stays equal moves nothing, not even `updated_at`.

        A condition is for a dynamic list only.
        """

        async def work(transaction: Transaction) -> CountedList:
            now = self.clock()
            moves = isinstance(change.condition, Condition)
            locked = await workspaces.lock(transaction, caller.workspace, moves_members=moves, now=now)
            stored, _ = await _require_list(transaction, caller, id_)
            writing = WriteUnit(transaction, caller.workspace, locked, now)
            changed = await _apply_patch(writing, stored, change)
            if changed is not stored:
                await lists.update_list(transaction, caller.workspace, changed)
            return await self._reload_with_count(transaction, caller, changed)

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a list and the segment behind it; its contacts stay. Raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            here = await open_writer(transaction, caller.workspace, locked, now)
            one, _ = await _require_list(transaction, caller, id_)
            await lists.delete_list(transaction, caller.workspace, one.number)
            await evaluate.handle_list_deleted(here)
            if one.segment is not None:
                await segment_writes.delete_segment(transaction, caller.workspace, one.segment)

        await self.engine.write(work)

    async def add_contacts(
        self, caller: Caller, id_: str | None, ids: Sequence[str | None]
    ) -> tuple[int, int]:
        """Put contacts on a static list; return how many came to it and how many are on it now.

        Raise `NotFound` when there is no such list, or when one of the contacts does not exist: then none is
        put on it.
        """

        async def work(transaction: Transaction) -> tuple[int, int]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            one, count = await _require_list(transaction, caller, id_)
            list_members.require_static_list(one)
            joining = await require_contacts(transaction, caller.workspace, ids)
            writing = WriteUnit(transaction, caller.workspace, locked, now)
            came = await list_members.add_contacts(writing, one, joining)
            return came, count + came

        return await self.engine.write(work)

    async def remove_contact(self, caller: Caller, id_: str | None, contact_id: str | None) -> None:
        """Take a contact off a static list; raise `NotFound` when it is not on it."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            one, _ = await _require_list(transaction, caller, id_)
            list_members.require_static_list(one)
            contact = (
                None
                if contact_id is None
                else await queries.find_contact_by_id(transaction, caller.workspace, contact_id)
            )
            writing = WriteUnit(transaction, caller.workspace, locked, now)
            if contact is None or not await list_members.remove_contact(writing, one, contact):
                raise NotFound("contact")

        await self.engine.write(work)

    async def _with_count(
        self,
        transaction: Transaction,
        caller: Caller,
        found: tuple[ContactList, int],
        state: WorkspaceState,
        now: int,
    ) -> CountedList:
        one, by_hand = found
        if one.segment is None:
            return CountedList(one, by_hand, read.effective_now(state, now))
        relation = MembershipQuery.for_segment(caller.workspace, one.segment, now, state)
        count = await self.counts.count(transaction, relation, state)
        shown = await with_next_change(transaction, caller.workspace, one.segment, state, now)
        return CountedList(replace(one, segment=shown), count, relation.now)

    async def _reload_with_count(
        self, transaction: Transaction, caller: Caller, one: ContactList
    ) -> CountedList:
        state, now = await workspaces.load_state(transaction, caller.workspace), self.clock()
        if one.segment is not None:
            found = await segments.find_by_number_with_state(
                transaction, caller.workspace, one.segment.number
            )
            assert found is not None
            shown = await with_next_change(transaction, caller.workspace, found[0], state, now)
            one = replace(one, segment=shown)
        relation = _members_query(caller, one, now, state)
        return CountedList(one, await self.counts.count_uncached(transaction, relation, state), relation.now)


async def _apply_patch(writing: WriteUnit, stored: ContactList, change: SegmentPatch) -> ContactList:
    segment = stored.segment
    if segment is not None:
        segment = await segment_writes.update_segment(writing, segment, change)
    changed = replace(
        stored,
        name=stored.name if change.name is UNSET else change.name,
        description=stored.description if change.description is UNSET else change.description,
        segment=segment,
    )
    return stored if changed == stored else replace(changed, updated_at=writing.now)


def _members_query(caller: Caller, one: ContactList, now: int, state: WorkspaceState) -> MembershipQuery:
    if one.segment is not None:
        return MembershipQuery.for_segment(caller.workspace, one.segment, now, state)
    on_it = tree.Predicate("lists", tree.Op.EQUALS, tree.Text(one.id))
    return MembershipQuery(caller.workspace, on_it, read.effective_now(state, now), state.zone)


async def _require_list(transaction: Transaction, caller: Caller, id_: str | None) -> tuple[ContactList, int]:
    found = None if id_ is None else await lists.find_by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("list")
    return found
