"""Segments: create, read, update, delete, refresh, and manage members."""

from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict, NotFound
from diglot.membership import evaluate, read
from diglot.membership.count import CountCache, find_stored_count
from diglot.membership.evaluate import EvaluatedSegment
from diglot.membership.read import MemberKeys, MembershipQuery, with_next_change
from diglot.membership.static_changes import change_static_members
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.pages import AllIds, MemberPage, Page, Sort, Window
from diglot.model.segments import CountedSegment, ManualMemberChange, MemberCount, Segment, SegmentType
from diglot.model.workspaces import DEFAULT_LIMITS, Caller, WorkspaceLimits
from diglot.service.audience import segment_lookup, segment_writes
from diglot.service.audience.known_segments import (
    KnownSegment,
    find_known_by_row,
    find_known_segment,
    has_answer,
)
from diglot.service.audience.member_ids import iterate_other_ids, load_first_ids
from diglot.service.audience.segment_writes import NewSegment, SegmentPatch
from diglot.service.unit_of_work import point_reads, reads, writes, writes_with
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.contacts import scans
from diglot.storage.sql.engine import Engine, Row
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit

__all__ = ["NewSegment", "SegmentPatch", "Segments"]

_DYNAMIC_SEGMENT_MESSAGE: Final = (
    "The members of a dynamic segment follow its condition and cannot be changed by hand"
)


@dataclass(slots=True)
class Segments:
    """The use cases of segments; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)
    limits: WorkspaceLimits = DEFAULT_LIMITS

    @reads
    async def list_page(self, tenant: Tenant, window: Window, search: str | None = None) -> Page[Segment]:
        """Return a window of the segments, newest first."""
        page = await segments.load_page(tenant, window, search)
        state = await workspaces.load_state(tenant)
        now = self.clock()
        items = [await with_next_change(tenant, segment, state, now) for segment in page.items]
        return Page(items, page.total)

    @reads
    async def list_page_with_counts(
        self, tenant: Tenant, window: Window, search: str | None = None
    ) -> Page[CountedSegment]:
        """Return a window of the segments, with counts from one snapshot."""
        page = await segments.load_page(tenant, window, search)
        state = await workspaces.load_state(tenant)
        now = self.clock()
        counted = [await self._with_count(tenant, segment, state, now) for segment in page.items]
        return Page(counted, page.total)

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> Segment:
        """Return a segment as it is stored; raise `NotFound`."""
        return await segment_lookup.require_segment(tenant, id_)

    async def find_known(
        self, caller: Caller, id_: str | None, *, counted: bool = True
    ) -> tuple[KnownSegment, int] | None:
        """Return a segment that needs no more than its row, and the instant that the read shows, or None.

        Without `counted` its count is not needed, so neither are the log rows that it depends on.
        """
        if id_ is None:
            return None
        return await find_known_segment(self.engine, caller.workspace, id_, self.clock(), counted=counted)

    async def get_with_next_change(self, caller: Caller, id_: str | None) -> Segment:
        """Return a segment with the next instant at which time can change it; raise `NotFound`."""
        found = await self.find_known(caller, id_, counted=False)
        return await self.read_with_next_change(caller, id_) if found is None else found[0].segment

    @reads
    async def read_with_next_change(self, tenant: Tenant, id_: str | None) -> Segment:
        """Return the same from one snapshot, if the row of the segment is not enough; raise `NotFound`."""
        segment, state = await segment_lookup.require_segment_with_state(tenant, id_)
        return await with_next_change(tenant, segment, state, self.clock())

    async def get_with_count(self, caller: Caller, id_: str | None) -> CountedSegment:
        """Return a segment with its count; raise `NotFound`."""
        found = await self.find_known(caller, id_)
        return await self.read_with_count(caller, id_) if found is None else found[0].counted(found[1])

    @reads
    async def read_with_count(self, tenant: Tenant, id_: str | None) -> CountedSegment:
        """Return the same from one snapshot, if the row of the segment is not enough; raise `NotFound`."""
        segment, state = await segment_lookup.require_segment_with_state(tenant, id_)
        return await self._with_count(tenant, segment, state, self.clock())

    async def count_members(self, caller: Caller, id_: str | None) -> MemberCount:
        """Return the number of members; raise `NotFound`."""
        if id_ is not None:
            count = await self._find_stored_count(caller, id_)
            if count is not None:
                return count
        one = await self.read_with_count(caller, id_)
        return MemberCount(one.count, one.as_of, one.segment.revision, one.segment.rules)

    @point_reads
    async def _find_stored_count(self, tenant: Tenant, id_: str) -> MemberCount | None:
        return await find_stored_count(tenant, id_, self.clock())

    @reads
    async def list_members(
        self,
        tenant: Tenant,
        id_: str | None,
        window: Window,
        condition: tree.Node | None = None,
        sort: Sort | None = None,
    ) -> MemberPage[Contact]:
        """Return a window of the members, newest first or sorted, and their total; raise `NotFound`.

        A condition restricts the members further.
        """
        segment, state = with_state = await segment_lookup.require_segment_with_state(tenant, id_)
        query, total = await self._query_members(tenant, with_state, condition)
        page = await read.load_page(tenant, query, window, sort)
        return MemberPage(page, total, query.now, segment.revision, segment.rules, entry=state.last_entry)

    async def recall(self, caller: Caller, id_: str | None, key: Any) -> tuple[KnownSegment, int] | None:
        """Return a segment as `find_known` does, but read only if an answer is remembered under a key."""
        is_remembered = id_ is not None and has_answer(self.engine, caller.workspace, id_, key)
        return await self.find_known(caller, id_) if is_remembered else None

    async def list_member_ids(
        self, caller: Caller, id_: str | None, window: Window
    ) -> tuple[Segment, MemberPage[str], KnownSegment | None]:
        """Return a segment and a window of the ids of its members, newest first; raise `NotFound`.

        The last value is the known segment from whose row the ids follow, if they follow from a row.
        """
        row, segment, page = await self._read_member_ids(caller, id_, window)
        return segment, page, find_known_by_row(self.engine, caller.workspace, row, page.as_of)

    @reads
    async def _read_member_ids(
        self, tenant: Tenant, id_: str | None, window: Window
    ) -> tuple[Row, Segment, MemberPage[str]]:
        row = None if id_ is None else await segments.load_row_with_state(tenant, id_)
        if row is None:
            raise NotFound("segment")
        segment, state = segments.read_row_with_state(row)
        query, total = await self._query_members(tenant, (segment, state))
        ids = await read.load_ids(tenant, query, window)
        return row, segment, MemberPage(ids, total, query.now, segment.revision, entry=state.last_entry)

    async def list_all_member_ids(self, caller: Caller, id_: str | None) -> AllIds:
        """Return the ids of all members in one snapshot, newest first; raise `NotFound`."""
        page, keys = await self._read_first_ids(caller, id_)
        return AllIds(page, iterate_other_ids(self.engine, caller.workspace, keys))

    @reads
    async def _read_first_ids(self, tenant: Tenant, id_: str | None) -> tuple[MemberPage[str], MemberKeys]:
        segment, state = await segment_lookup.require_segment_with_state(tenant, id_)
        query = MembershipQuery.for_segment(segment, self.clock(), state)
        keys = MemberKeys(await read.load_members(tenant, query))
        first = await load_first_ids(tenant, keys), len(keys), query.now, segment.revision
        return MemberPage(*first, entry=state.last_entry), keys

    def prepare(self, caller: Caller, new: NewSegment) -> None:
        """Build the statement that evaluates a new segment, ahead of the transaction and on any thread."""
        scans.build_ahead(new.condition.tree, self.engine.backend, caller.zone)

    @writes
    async def create(self, unit: WriteUnit, new: NewSegment) -> Segment:
        """Create a segment; a static one is filled immediately. Raise `LimitReached` or `InvalidInput`."""
        evaluated = await segment_writes.create_segment(unit, new, self.limits)
        return await _with_next_change(unit, evaluated)

    @writes
    async def create_with_count(self, unit: WriteUnit, new: NewSegment) -> CountedSegment:
        """Create a segment and return it with its count; raise `LimitReached`."""
        evaluated = await segment_writes.create_segment(unit, new, self.limits)
        return await self._with_known_count(unit, evaluated)

    @writes
    async def update(
        self, unit: WriteUnit, id_: str | None, change: SegmentPatch, revision: int | None = None
    ) -> Segment:
        """Update a segment; raise `NotFound` or `LimitReached`, or `Conflict` if it has another revision.

        A patch that changes nothing leaves `updated_at` as it is.
        """
        if revision is not None and revision != (await segment_lookup.require_segment(unit, id_)).revision:
            raise Conflict("segment", "The rules were changed meanwhile")
        return await _with_next_change(unit, await self._update(unit, id_, change))

    @writes
    async def update_with_count(
        self, unit: WriteUnit, id_: str | None, change: SegmentPatch
    ) -> CountedSegment:
        """Update a segment and return it with its count; raise `NotFound` or `LimitReached`."""
        return await self._with_known_count(unit, await self._update(unit, id_, change))

    @writes
    async def refresh(self, unit: WriteUnit, id_: str | None) -> CountedSegment:
        """Evaluate a segment again and store when; a static one is only counted. Raise `NotFound`."""
        writer = await open_writer(unit)
        segment = await segment_lookup.require_segment(unit, id_)
        dynamic = segment.type is SegmentType.DYNAMIC
        if not (dynamic and tree.is_draft(segment.evaluated_tree)):
            segment = replace(segment, last_calculated_at=unit.now)
            await segments.update_segment(unit, segment)
        evaluated = EvaluatedSegment(segment)
        if dynamic:
            evaluated = await evaluate.refresh_segment(writer, segment)
        return await self._with_known_count(unit, evaluated)

    @writes_with(MOVES_MEMBERS)
    async def change_members(
        self, unit: WriteUnit, id_: str | None, change: ManualMemberChange
    ) -> CountedSegment:
        """Set, add or remove members of a static segment; raise `NotFound`, or `Conflict` for a dynamic one.

        Ids of unknown contacts are ignored.
        """
        writer = await open_writer(unit)
        segment = await segment_lookup.require_segment(unit, id_)
        if segment.type is not SegmentType.STATIC:
            raise Conflict("segment", _DYNAMIC_SEGMENT_MESSAGE)
        unit.renew_contacts_version()
        count = await change_static_members(writer, segment, change.action, change.ids)
        return await self._with_known_count(unit, EvaluatedSegment(segment, count))

    @writes
    async def delete(self, unit: WriteUnit, id_: str | None) -> None:
        """Delete a segment; its contacts stay. Raise `NotFound`, or `InUse` if rules name it."""
        segment = await segment_lookup.require_segment(unit, id_)
        await segment_writes.delete_segment(unit, segment)

    async def _update(self, unit: WriteUnit, id_: str | None, change: SegmentPatch) -> EvaluatedSegment:
        stored = await segment_lookup.require_segment(unit, id_)
        if segment_writes.changes_nothing(stored, change):
            return EvaluatedSegment(stored)
        evaluated_at = unit.row.evaluated_at
        writer = await open_writer(unit)
        if unit.row.evaluated_at != evaluated_at:
            # The writer has applied changes by time, maybe to this segment.
            stored = await segment_lookup.require_segment(unit, id_)
        return await segment_writes.update_segment(writer, stored, change, self.limits)

    async def _query_members(
        self,
        tenant: Tenant,
        with_state: tuple[Segment, WorkspaceState],
        condition: tree.Node | None = None,
    ) -> tuple[MembershipQuery, int]:
        segment, state = with_state
        query = MembershipQuery.for_segment(segment, self.clock(), state)
        query = query.restricted_to(condition)
        return query, await self.counts.count(tenant, query, state)

    async def _with_count(
        self, tenant: Tenant, segment: Segment, state: WorkspaceState, now: int
    ) -> CountedSegment:
        query = MembershipQuery.for_segment(segment, now, state)
        counts = self.counts.count_uncached if tenant.transaction.may_write else self.counts.count
        count = await counts(tenant, query, state)
        segment = await with_next_change(tenant, segment, state, now)
        return CountedSegment(segment, count, query.now)

    async def _with_known_count(self, unit: WriteUnit, evaluated: EvaluatedSegment) -> CountedSegment:
        """Return a written segment with its count, which is known if the segment was evaluated."""
        if evaluated.count is None:
            return await self._with_count(unit, evaluated.segment, unit.state, unit.clock())
        segment = await _with_next_change(unit, evaluated)
        return CountedSegment(segment, evaluated.count, read.effective_now(unit.state, unit.clock()))


async def _with_next_change(unit: WriteUnit, evaluated: EvaluatedSegment) -> Segment:
    """Return a written segment with its next change by time."""
    return await with_next_change(unit, evaluated.segment, unit.state, unit.clock())
