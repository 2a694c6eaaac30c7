"""Lists: create, read, change, delete, and who is on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import NotFound
from diglot.membership import evaluate, read
from diglot.membership.count import Counts
from diglot.membership.next_change import timely
from diglot.membership.read import Relation
from diglot.membership.writer import current
from diglot.model.contacts import Contact
from diglot.model.ids import new_id
from diglot.model.lists import ContactList, CountedList
from diglot.model.pages import CountedPage, Page, Window
from diglot.model.segments import Condition, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience import segment_writes
from diglot.service.audience.segment_writes import Keep, NewSegment, SegmentChange, Writing
from diglot.service.contacts import list_members
from diglot.service.contacts.contacts_by_id import named_contacts
from diglot.storage import workspaces
from diglot.storage.audience import lists, segments
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State


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
    counts: Counts = field(default_factory=Counts)

    async def page(
        self, caller: Caller, window: Window, kind: SegmentType | None = None, search: str | None = None
    ) -> Page[CountedList]:
        """Return a window of the lists with their counts, newest first, all of one state."""

        async def work(transaction: Transaction) -> Page[CountedList]:
            page = await lists.page(transaction, caller.workspace, window, kind, search)
            state = await workspaces.state(transaction, caller.workspace)
            now = self.clock()
            counted = [await self._counted(transaction, caller, found, state, now) for found in page.items]
            return Page(counted, page.total)

        return await self.engine.read(work)

    async def look_up(self, caller: Caller, id_: str | None) -> ContactList:
        """Return a list without its count; raise `NotFound`."""
        one, _ = await self.engine.glance(lambda tx: _by_id(tx, caller, id_))
        return one

    async def get(self, caller: Caller, id_: str | None) -> CountedList:
        """Return a list with its count; raise `NotFound`."""

        async def work(transaction: Transaction) -> CountedList:
            found = await _by_id(transaction, caller, id_)
            state = await workspaces.state(transaction, caller.workspace)
            return await self._counted(transaction, caller, found, state, self.clock())

        return await self.engine.read(work)

    async def members(
        self, caller: Caller, id_: str | None, window: Window, condition: tree.Node | None = None
    ) -> CountedPage[Contact]:
        """Return a window of the contacts on a list, or of those that a condition is true for too.

        They stand newest first. Raise `NotFound`.
        """

        async def work(transaction: Transaction) -> CountedPage[Contact]:
            one, _ = await _by_id(transaction, caller, id_)
            state = await workspaces.state(transaction, caller.workspace)
            relation = _relation(caller, one, self.clock(), state).narrowed(condition)
            total = await self.counts.count(transaction, relation, state)
            page = await read.page(transaction, relation, window)
            revision = None if one.segment is None else one.segment.revision
            return CountedPage(page, total, relation.now, revision)

        return await self.engine.read(work)

    async def create(self, caller: Caller, new: NewList) -> CountedList:
        """Make a list."""

        async def work(transaction: Transaction) -> CountedList:
            now = self.clock()
            behind = int(new.condition is not None)
            locked = await workspaces.lock(
                transaction, caller.workspace, lists=1, segments=behind, moves=False, now=now
            )
            writing = Writing(transaction, caller.workspace, locked, now)
            one = ContactList(locked.list, new_id(), new.name, new.description, None, now, now)
            if new.condition is not None:
                made = NewSegment(new.name, new.condition, new.description)
                one = replace(one, segment=await segment_writes.make(writing, made, one))
            await lists.insert_list(transaction, caller.workspace, one)
            return await self._recounted(transaction, caller, one)

        return await self.engine.write(work)

    async def change(self, caller: Caller, id_: str | None, change: SegmentChange) -> CountedList:
        """Change a list; raise `NotFound`. What stays equal moves nothing, not even `updated_at`.

        A condition is for a dynamic list only.
        """

        async def work(transaction: Transaction) -> CountedList:
            now = self.clock()
            moves = isinstance(change.condition, Condition)
            locked = await workspaces.lock(transaction, caller.workspace, moves=moves, now=now)
            stored, _ = await _by_id(transaction, caller, id_)
            writing = Writing(transaction, caller.workspace, locked, now)
            changed = await _changed(writing, stored, change)
            if changed is not stored:
                await lists.update_list(transaction, caller.workspace, changed)
            return await self._recounted(transaction, caller, changed)

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a list and the segment behind it; its contacts stay. Raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            here = await current(transaction, caller.workspace, locked, now)
            one, _ = await _by_id(transaction, caller, id_)
            await lists.remove(transaction, caller.workspace, one.number)
            await evaluate.list_gone(here)
            if one.segment is not None:
                await segment_writes.remove(transaction, caller.workspace, one.segment)

        await self.engine.write(work)

    async def add(self, caller: Caller, id_: str | None, ids: Sequence[str | None]) -> tuple[int, int]:
        """Put contacts on a static list; return how many came to it and how many are on it now.

        Raise `NotFound` when there is no such list, or when one of the contacts does not exist: then none is
        put on it.
        """

        async def work(transaction: Transaction) -> tuple[int, int]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            one, count = await _by_id(transaction, caller, id_)
            list_members.require_static(one)
            joining = await named_contacts(transaction, caller.workspace, ids)
            writing = Writing(transaction, caller.workspace, locked, now)
            came = await list_members.join(writing, one, joining)
            return came, count + came

        return await self.engine.write(work)

    async def remove(self, caller: Caller, id_: str | None, contact_id: str | None) -> None:
        """Take a contact off a static list; raise `NotFound` when it is not on it."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            one, _ = await _by_id(transaction, caller, id_)
            list_members.require_static(one)
            contact = (
                None if contact_id is None else await queries.by_id(transaction, caller.workspace, contact_id)
            )
            writing = Writing(transaction, caller.workspace, locked, now)
            if contact is None or not await list_members.leave(writing, one, contact):
                raise NotFound("contact")

        await self.engine.write(work)

    async def _counted(
        self, transaction: Transaction, caller: Caller, found: tuple[ContactList, int], state: State, now: int
    ) -> CountedList:
        one, by_hand = found
        if one.segment is None:
            return CountedList(one, by_hand, read.read_at(state, now))
        relation = Relation.of(caller.workspace, one.segment, now, state)
        count = await self.counts.count(transaction, relation, state)
        shown = await timely(transaction, caller.workspace, one.segment, state, now)
        return CountedList(replace(one, segment=shown), count, relation.now)

    async def _recounted(self, transaction: Transaction, caller: Caller, one: ContactList) -> CountedList:
        state, now = await workspaces.state(transaction, caller.workspace), self.clock()
        if one.segment is not None:
            found = await segments.by_number_with_state(transaction, caller.workspace, one.segment.number)
            assert found is not None
            shown = await timely(transaction, caller.workspace, found[0], state, now)
            one = replace(one, segment=shown)
        relation = _relation(caller, one, now, state)
        return CountedList(one, await self.counts.recount(transaction, relation, state), relation.now)


async def _changed(writing: Writing, stored: ContactList, change: SegmentChange) -> ContactList:
    segment = stored.segment
    if segment is not None:
        segment = await segment_writes.change(writing, segment, change)
    changed = replace(
        stored,
        name=stored.name if isinstance(change.name, Keep) else change.name,
        description=stored.description if isinstance(change.description, Keep) else change.description,
        segment=segment,
    )
    return stored if changed == stored else replace(changed, updated_at=writing.now)


def _relation(caller: Caller, one: ContactList, now: int, state: State) -> Relation:
    if one.segment is not None:
        return Relation.of(caller.workspace, one.segment, now, state)
    on_it = tree.Predicate("lists", tree.Op.EQUALS, tree.Text(one.id))
    return Relation(caller.workspace, on_it, read.read_at(state, now), state.zone)


async def _by_id(transaction: Transaction, caller: Caller, id_: str | None) -> tuple[ContactList, int]:
    found = None if id_ is None else await lists.by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("list")
    return found
