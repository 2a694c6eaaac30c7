"""Segments: create, read, change, delete, and who is in them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict, NotFound
from diglot.membership import evaluate, follow, read, saved_counts
from diglot.membership.count import Counts
from diglot.membership.next_change import is_timely, timely
from diglot.membership.read import Relation
from diglot.membership.writer import current
from diglot.model.contacts import Contact
from diglot.model.pages import MemberPage, Page, Sort, Window
from diglot.model.segments import Condition, Count, CountedSegment, MemberChange, Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience import segment_writes
from diglot.service.audience.segment_writes import KEEP, Keep, NewSegment, SegmentChange, Writing
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State

__all__ = ["KEEP", "Keep", "NewSegment", "SegmentChange", "Segments"]

T = TypeVar("T")
_DYNAMIC: Final = "A dynamic segment holds whoever meets its condition: its members are not changed by hand"


@dataclass(slots=True)
class Segments:
    """The use cases of segments; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock
    counts: Counts = field(default_factory=Counts)

    async def page(self, caller: Caller, window: Window, search: str | None = None) -> Page[Segment]:
        """Return a window of the segments, newest first."""

        async def work(transaction: Transaction) -> Page[Segment]:
            page = await segments.page(transaction, caller.workspace, window, search)
            state = await workspaces.state(transaction, caller.workspace)
            now = self.clock()
            shown = [await timely(transaction, caller.workspace, one, state, now) for one in page.items]
            return Page(shown, page.total)

        return await self.engine.read(work)

    async def counted_page(self, caller: Caller, window: Window) -> Page[CountedSegment]:
        """Return a window of the segments with their counts, all of one state."""

        async def work(transaction: Transaction) -> Page[CountedSegment]:
            page = await segments.page(transaction, caller.workspace, window)
            state = await workspaces.state(transaction, caller.workspace)
            now = self.clock()
            counted = [await self._counted(transaction, caller, one, state, now) for one in page.items]
            return Page(counted, page.total)

        return await self.engine.read(work)

    async def get(self, caller: Caller, id_: str | None) -> Segment:
        """Return a segment as it is stored; raise `NotFound`."""
        return await self.engine.glance(lambda tx: _segment(tx, caller, id_))

    async def look(self, caller: Caller, id_: str | None) -> Segment:
        """Return a segment with the next instant at which time can change it; raise `NotFound`."""
        segment, state = await self.engine.glance(lambda tx: segment_with_state(tx, caller, id_))
        if is_timely(segment, state, self.clock()):
            return segment

        async def work(transaction: Transaction) -> Segment:
            segment, state = await segment_with_state(transaction, caller, id_)
            return await timely(transaction, caller.workspace, segment, state, self.clock())

        return await self.engine.read(work)

    async def counted(self, caller: Caller, id_: str | None) -> CountedSegment:
        """Return a segment with its count; raise `NotFound`."""
        return await self._with(caller, id_, lambda counted: counted)

    async def estimate(self, caller: Caller, id_: str | None) -> Count:
        """Return how many contacts are members; raise `NotFound`."""
        if id_ is not None:
            found = await self.engine.glance(
                lambda tx: saved_counts.saved_count(tx, caller.workspace, id_, self.clock())
            )
            if found is not None:
                return found
        return await self._with(caller, id_, lambda one: Count(one.count, one.as_of, one.segment.revision))

    async def members(
        self,
        caller: Caller,
        id_: str | None,
        window: Window,
        condition: tree.Node | None = None,
        sort: Sort | None = None,
    ) -> MemberPage[Contact]:
        """Return a window of the members, newest first or sorted, and their total; raise `NotFound`.

        With a condition, of those for whom it is true too.
        """

        async def work(transaction: Transaction) -> MemberPage[Contact]:
            segment, state = found = await segment_with_state(transaction, caller, id_)
            relation, total = await self._relation(transaction, caller, found, condition)
            page = await read.page(transaction, relation, window, sort)
            return MemberPage(page, total, relation.now, segment.revision, entry=state.logged)

        return await self.engine.read(work)

    async def member_ids(
        self, caller: Caller, id_: str | None, window: Window | None
    ) -> tuple[Segment, MemberPage[str]]:
        """Return a segment and a window of its members' ids, or all, newest first; raise `NotFound`."""

        async def work(transaction: Transaction) -> tuple[Segment, MemberPage[str]]:
            segment, state = found = await segment_with_state(transaction, caller, id_)
            relation, total = await self._relation(transaction, caller, found)
            page = await read.ids(transaction, relation, window or Window(0, total))
            return segment, MemberPage(page, total, relation.now, segment.revision, entry=state.logged)

        return await self.engine.read(work)

    async def create(self, caller: Caller, new: NewSegment) -> Segment:
        """Make a segment; a static one gets its members at once."""

        async def work(transaction: Transaction) -> Segment:
            return await self._again(transaction, caller, await self._made(transaction, caller, new))

        return await self.engine.write(work)

    async def create_counted(self, caller: Caller, new: NewSegment) -> CountedSegment:
        """Make a segment and evaluate it at once."""

        async def work(transaction: Transaction) -> CountedSegment:
            return await self._recounted(transaction, caller, await self._made(transaction, caller, new))

        return await self.engine.write(work)

    async def change(self, caller: Caller, id_: str | None, change: SegmentChange) -> Segment:
        """Change a segment; raise `NotFound`. What stays equal moves nothing, not even `updated_at`."""

        async def work(transaction: Transaction) -> Segment:
            segment = await self._changed(transaction, caller, id_, change)
            return await self._again(transaction, caller, segment)

        return await self.engine.write(work)

    async def change_counted(self, caller: Caller, id_: str | None, change: SegmentChange) -> CountedSegment:
        """Change a segment and return its count too; raise `NotFound`."""

        async def work(transaction: Transaction) -> CountedSegment:
            segment = await self._changed(transaction, caller, id_, change)
            return await self._recounted(transaction, caller, segment)

        return await self.engine.write(work)

    async def refresh(self, caller: Caller, id_: str | None) -> CountedSegment:
        """Evaluate a segment again and note when; a static one is recounted. Raise `NotFound`."""

        async def work(transaction: Transaction) -> CountedSegment:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, moves=False, now=now)
            segment = await _segment(transaction, caller, id_)
            dynamic = segment.type is SegmentType.DYNAMIC
            if not (dynamic and tree.is_draft(segment.condition.tree)):
                segment = replace(segment, last_calculated_at=now)
                await segments.update_segment(transaction, caller.workspace, segment)
            if dynamic:
                here = await current(transaction, caller.workspace, locked, now)
                await evaluate.refresh(here, segment)
            return await self._recounted(transaction, caller, segment)

        return await self.engine.write(work)

    async def change_members(self, caller: Caller, id_: str | None, change: MemberChange) -> CountedSegment:
        """Change who is in a static segment; raise `NotFound`, or `Conflict` for one that has a condition.

        Ids of contacts that the workspace does not have are passed over.
        """

        async def work(transaction: Transaction) -> CountedSegment:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            segment = await _segment(transaction, caller, id_)
            if segment.type is not SegmentType.STATIC:
                raise Conflict("segment", _DYNAMIC)
            here = await current(transaction, caller.workspace, locked, now)
            await follow.change_by_hand(here, segment, change.action, change.ids)
            return await self._recounted(transaction, caller, segment)

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a segment; its contacts stay. Raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            await workspaces.lock(transaction, caller.workspace, moves=False)
            segment = await _segment(transaction, caller, id_)
            await segment_writes.remove(transaction, caller.workspace, segment)

        await self.engine.write(work)

    async def _with(self, caller: Caller, id_: str | None, part: Callable[[CountedSegment], T]) -> T:
        remembered = await self.engine.glance(lambda tx: self._remembered(tx, caller, id_))
        if remembered is not None:
            return part(remembered)

        async def work(transaction: Transaction) -> T:
            segment, state = await segment_with_state(transaction, caller, id_)
            return part(await self._counted(transaction, caller, segment, state, self.clock()))

        return await self.engine.read(work)

    async def _remembered(
        self, transaction: Transaction, caller: Caller, id_: str | None
    ) -> CountedSegment | None:
        segment, state = await segment_with_state(transaction, caller, id_)
        now = self.clock()
        relation = Relation.of(caller.workspace, segment, now, state)
        count = self.counts.remembered(transaction, relation, state)
        if count is None or not is_timely(segment, state, now):
            return None
        return CountedSegment(segment, count, relation.now)

    async def _relation(
        self,
        transaction: Transaction,
        caller: Caller,
        found: tuple[Segment, State],
        condition: tree.Node | None = None,
    ) -> tuple[Relation, int]:
        segment, state = found
        relation = Relation.of(caller.workspace, segment, self.clock(), state).narrowed(condition)
        return relation, await self.counts.count(transaction, relation, state)

    async def _counted(
        self, transaction: Transaction, caller: Caller, segment: Segment, state: State, now: int
    ) -> CountedSegment:
        relation = Relation.of(caller.workspace, segment, now, state)
        count = await self.counts.count(transaction, relation, state)
        shown = await timely(transaction, caller.workspace, segment, state, now)
        return CountedSegment(shown, count, relation.now)

    async def _made(self, transaction: Transaction, caller: Caller, new: NewSegment) -> Segment:
        now = self.clock()
        locked = await workspaces.lock(transaction, caller.workspace, segments=1, moves=False, now=now)
        return await segment_writes.make(Writing(transaction, caller.workspace, locked, now), new)

    async def _changed(
        self, transaction: Transaction, caller: Caller, id_: str | None, change: SegmentChange
    ) -> Segment:
        now = self.clock()
        moves = isinstance(change.condition, Condition)
        locked = await workspaces.lock(transaction, caller.workspace, moves=moves, now=now)
        stored = await _segment(transaction, caller, id_)
        writing = Writing(transaction, caller.workspace, locked, now)
        return await segment_writes.change(writing, stored, change)

    async def _recounted(self, transaction: Transaction, caller: Caller, segment: Segment) -> CountedSegment:
        segment, state = await _with_state(transaction, caller, segment)
        now = self.clock()
        relation = Relation.of(caller.workspace, segment, now, state)
        count = await self.counts.recount(transaction, relation, state)
        shown = await timely(transaction, caller.workspace, segment, state, now)
        return CountedSegment(shown, count, relation.now)

    async def _again(self, transaction: Transaction, caller: Caller, segment: Segment) -> Segment:
        """Return a segment that was written, as it is read from now on."""
        segment, state = await _with_state(transaction, caller, segment)
        return await timely(transaction, caller.workspace, segment, state, self.clock())


async def _with_state(transaction: Transaction, caller: Caller, segment: Segment) -> tuple[Segment, State]:
    found = await segments.by_number_with_state(transaction, caller.workspace, segment.number)
    assert found is not None
    return found


async def _segment(transaction: Transaction, caller: Caller, id_: str | None) -> Segment:
    found = None if id_ is None else await segments.by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("segment")
    return found


async def segment_with_state(
    transaction: Transaction, caller: Caller, id_: str | None
) -> tuple[Segment, State]:
    """Return a segment and the state of its workspace, of one snapshot; raise `NotFound`."""
    found = None if id_ is None else await segments.by_id_with_state(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("segment")
    return found
