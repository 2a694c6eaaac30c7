"""Segments: create, read, change, delete, and who is in them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict
from diglot.membership import evaluate, follow, read
from diglot.membership.count import CountCache, find_stored_count
from diglot.membership.next_change import next_change_is_known, with_next_change
from diglot.membership.read import MembershipQuery
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.pages import MemberPage, Page, Sort, Window
from diglot.model.segments import (
    Condition,
    CountedSegment,
    ManualMemberChange,
    MemberCount,
    Segment,
    SegmentType,
)
from diglot.model.workspaces import Caller
from diglot.service.audience import segment_lookup, segment_writes
from diglot.service.audience.segment_writes import NewSegment, SegmentPatch
from diglot.service.unit_of_work import WriteUnit
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import WorkspaceState

__all__ = ["NewSegment", "SegmentPatch", "Segments"]

T = TypeVar("T")
_DYNAMIC_SEGMENT_MESSAGE: Final = (
    "A dynamic segment holds whoever meets its condition: its members are not changed by hand"
)


@dataclass(slots=True)
class Segments:
    """The use cases of segments; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)

    async def list_page(self, caller: Caller, window: Window, search: str | None = None) -> Page[Segment]:
        """Return a window of the segments, newest first."""

        async def work(transaction: Transaction) -> Page[Segment]:
            page = await segments.load_page(transaction, caller.workspace, window, search)
            state = await workspaces.load_state(transaction, caller.workspace)
            now = self.clock()
            shown = [
                await with_next_change(transaction, caller.workspace, one, state, now) for one in page.items
            ]
            return Page(shown, page.total)

        return await self.engine.read(work)

    async def list_page_with_counts(self, caller: Caller, window: Window) -> Page[CountedSegment]:
        """Return a window of the segments with their counts, all of one state."""

        async def work(transaction: Transaction) -> Page[CountedSegment]:
            page = await segments.load_page(transaction, caller.workspace, window)
            state = await workspaces.load_state(transaction, caller.workspace)
            now = self.clock()
            counted = [await self._with_count(transaction, caller, one, state, now) for one in page.items]
            return Page(counted, page.total)

        return await self.engine.read(work)

    async def get(self, caller: Caller, id_: str | None) -> Segment:
        """Return a segment as it is stored; raise `NotFound`."""
        return await self.engine.point_read(lambda tx: segment_lookup.require_segment(tx, caller, id_))

    async def get_with_next_change(self, caller: Caller, id_: str | None) -> Segment:
        """Return a segment with the next instant at which time can change it; raise `NotFound`."""
        segment, state = await self.engine.point_read(
            lambda tx: segment_lookup.require_segment_with_state(tx, caller, id_)
        )
        if next_change_is_known(segment, state, self.clock()):
            return segment

        async def work(transaction: Transaction) -> Segment:
            segment, state = await segment_lookup.require_segment_with_state(transaction, caller, id_)
            return await with_next_change(transaction, caller.workspace, segment, state, self.clock())

        return await self.engine.read(work)

    async def get_with_count(self, caller: Caller, id_: str | None) -> CountedSegment:
        """Return a segment with its count; raise `NotFound`."""
        return await self._from_cache_or_read(caller, id_, lambda counted: counted)

    async def count_members(self, caller: Caller, id_: str | None) -> MemberCount:
        """Return how many contacts are members; raise `NotFound`."""
        if id_ is not None:
            found = await self.engine.point_read(
                lambda tx: find_stored_count(tx, caller.workspace, id_, self.clock())
            )
            if found is not None:
                return found
        return await self._from_cache_or_read(
            caller, id_, lambda one: MemberCount(one.count, one.as_of, one.segment.revision)
        )

    async def list_members(
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
            segment, state = found = await segment_lookup.require_segment_with_state(transaction, caller, id_)
            relation, total = await self._query_members(transaction, caller, found, condition)
            page = await read.load_page(transaction, relation, window, sort)
            return MemberPage(page, total, relation.now, segment.revision, entry=state.last_entry)

        return await self.engine.read(work)

    async def list_member_ids(
        self, caller: Caller, id_: str | None, window: Window | None
    ) -> tuple[Segment, MemberPage[str]]:
        """Return a segment and a window of its members' ids, or all, newest first; raise `NotFound`."""

        async def work(transaction: Transaction) -> tuple[Segment, MemberPage[str]]:
            segment, state = found = await segment_lookup.require_segment_with_state(transaction, caller, id_)
            relation, total = await self._query_members(transaction, caller, found)
            page = await read.load_ids(transaction, relation, window or Window(0, total))
            return segment, MemberPage(page, total, relation.now, segment.revision, entry=state.last_entry)

        return await self.engine.read(work)

    async def create(self, caller: Caller, new: NewSegment) -> Segment:
        """Make a segment; a static one gets its members at once."""

        async def work(transaction: Transaction) -> Segment:
            return await self._reload(transaction, caller, await self._create(transaction, caller, new))

        return await self.engine.write(work)

    async def create_with_count(self, caller: Caller, new: NewSegment) -> CountedSegment:
        """Make a segment and evaluate it at once."""

        async def work(transaction: Transaction) -> CountedSegment:
            segment = await self._create(transaction, caller, new)
            return await self._reload_with_count(transaction, caller, segment)

        return await self.engine.write(work)

    async def update(self, caller: Caller, id_: str | None, change: SegmentPatch) -> Segment:
        """Change a segment; raise `NotFound`. What stays equal moves nothing, not even `updated_at`."""

        async def work(transaction: Transaction) -> Segment:
            segment = await self._update(transaction, caller, id_, change)
            return await self._reload(transaction, caller, segment)

        return await self.engine.write(work)

    async def update_with_count(
        self, caller: Caller, id_: str | None, change: SegmentPatch
    ) -> CountedSegment:
        """Change a segment and return its count too; raise `NotFound`."""

        async def work(transaction: Transaction) -> CountedSegment:
            segment = await self._update(transaction, caller, id_, change)
            return await self._reload_with_count(transaction, caller, segment)

        return await self.engine.write(work)

    async def refresh(self, caller: Caller, id_: str | None) -> CountedSegment:
        """Evaluate a segment again and note when; a static one is recounted. Raise `NotFound`."""

        async def work(transaction: Transaction) -> CountedSegment:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, moves_members=False, now=now)
            segment = await segment_lookup.require_segment(transaction, caller, id_)
            dynamic = segment.type is SegmentType.DYNAMIC
            if not (dynamic and tree.is_draft(segment.condition.tree)):
                segment = replace(segment, last_calculated_at=now)
                await segments.update_segment(transaction, caller.workspace, segment)
            if dynamic:
                here = await open_writer(transaction, caller.workspace, locked, now)
                await evaluate.refresh_segment(here, segment)
            return await self._reload_with_count(transaction, caller, segment)

        return await self.engine.write(work)

    async def change_members(
        self, caller: Caller, id_: str | None, change: ManualMemberChange
    ) -> CountedSegment:
        """Change who is in a static segment; raise `NotFound`, or `Conflict` for one that has a condition.

        Ids of contacts that the workspace does not have are passed over.
        """

        async def work(transaction: Transaction) -> CountedSegment:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            segment = await segment_lookup.require_segment(transaction, caller, id_)
            if segment.type is not SegmentType.STATIC:
                raise Conflict("segment", _DYNAMIC_SEGMENT_MESSAGE)
            here = await open_writer(transaction, caller.workspace, locked, now)
            await follow.change_static_members(here, segment, change.action, change.ids)
            return await self._reload_with_count(transaction, caller, segment)

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a segment; its contacts stay. Raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            await workspaces.lock(transaction, caller.workspace, moves_members=False)
            segment = await segment_lookup.require_segment(transaction, caller, id_)
            await segment_writes.delete_segment(transaction, caller.workspace, segment)

        await self.engine.write(work)

    async def _from_cache_or_read(
        self, caller: Caller, id_: str | None, part: Callable[[CountedSegment], T]
    ) -> T:
        remembered = await self.engine.point_read(lambda tx: self._read_cached(tx, caller, id_))
        if remembered is not None:
            return part(remembered)

        async def work(transaction: Transaction) -> T:
            segment, state = await segment_lookup.require_segment_with_state(transaction, caller, id_)
            return part(await self._with_count(transaction, caller, segment, state, self.clock()))

        return await self.engine.read(work)

    async def _read_cached(
        self, transaction: Transaction, caller: Caller, id_: str | None
    ) -> CountedSegment | None:
        segment, state = await segment_lookup.require_segment_with_state(transaction, caller, id_)
        now = self.clock()
        relation = MembershipQuery.for_segment(caller.workspace, segment, now, state)
        count = self.counts.cached_count(transaction, relation, state)
        if count is None or not next_change_is_known(segment, state, now):
            return None
        return CountedSegment(segment, count, relation.now)

    async def _query_members(
        self,
        transaction: Transaction,
        caller: Caller,
        found: tuple[Segment, WorkspaceState],
        condition: tree.Node | None = None,
    ) -> tuple[MembershipQuery, int]:
        segment, state = found
        relation = MembershipQuery.for_segment(caller.workspace, segment, self.clock(), state)
        relation = relation.restricted_to(condition)
        return relation, await self.counts.count(transaction, relation, state)

    async def _with_count(
        self, transaction: Transaction, caller: Caller, segment: Segment, state: WorkspaceState, now: int
    ) -> CountedSegment:
        relation = MembershipQuery.for_segment(caller.workspace, segment, now, state)
        counts = self.counts.count_uncached if transaction.may_write else self.counts.count
        count = await counts(transaction, relation, state)
        shown = await with_next_change(transaction, caller.workspace, segment, state, now)
        return CountedSegment(shown, count, relation.now)

    async def _create(self, transaction: Transaction, caller: Caller, new: NewSegment) -> Segment:
        now = self.clock()
        locked = await workspaces.lock(
            transaction, caller.workspace, segments=1, moves_members=False, now=now
        )
        return await segment_writes.create_segment(WriteUnit(transaction, caller.workspace, locked, now), new)

    async def _update(
        self, transaction: Transaction, caller: Caller, id_: str | None, change: SegmentPatch
    ) -> Segment:
        now = self.clock()
        moves = isinstance(change.condition, Condition)
        locked = await workspaces.lock(transaction, caller.workspace, moves_members=moves, now=now)
        stored = await segment_lookup.require_segment(transaction, caller, id_)
        writing = WriteUnit(transaction, caller.workspace, locked, now)
        return await segment_writes.update_segment(writing, stored, change)

    async def _reload_with_count(self, tx: Transaction, caller: Caller, segment: Segment) -> CountedSegment:
        segment, state = await segment_lookup.reload_segment_with_state(tx, caller, segment)
        return await self._with_count(tx, caller, segment, state, self.clock())

    async def _reload(self, transaction: Transaction, caller: Caller, segment: Segment) -> Segment:
        """Return a segment that was written, as it is read from now on."""
        segment, state = await segment_lookup.reload_segment_with_state(transaction, caller, segment)
        return await with_next_change(transaction, caller.workspace, segment, state, self.clock())
