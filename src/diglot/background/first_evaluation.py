"""Evaluates segments of large workspaces in the background: one scan, merged with concurrent writes.

The scan reads one snapshot. Every write since the segment was created or updated records the contacts that it
moves, and so does every tick, so the result is correct whichever of them the scan saw.
"""

from dataclasses import dataclass
from functools import partial

import msgspec
from pyroaring import BitMap

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.relative_dates import relative_dates_of
from diglot.membership import read
from diglot.membership import store as membership_store
from diglot.membership.evaluate import first_evaluation_cause
from diglot.membership.event_index import filling
from diglot.membership.event_index.filling import IndexFilling
from diglot.membership.writer import TIME_NOT_TRACKED, MembershipWriter, open_writer, replace_membership, tick
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment
from diglot.storage.audience import segments
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.membership import pending_members
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import WriteUnit, lock_workspace


class ScanResult(msgspec.Struct, frozen=True):
    """The contacts that matched the condition of a segment in the scan."""

    segment_key: SegmentKey
    scanned: Segment
    members: BitMap


@dataclass(frozen=True, slots=True)
class FirstEvaluation:
    """Evaluates pending segments."""

    engine: Engine
    clock: Clock = system_clock

    async def run(self, segment_key: SegmentKey) -> bool:
        """Evaluate a segment; return whether its members were stored. An update meanwhile prevents it."""
        await self._fill_indexes(segment_key)
        # Tick first: the fields that the scan compares must be indexed by then, and a short gap means few
        # changes to replay.
        await self.engine.write(bind_workspace(segment_key.workspace, partial(tick, now=self.clock())))
        scan = await self.scan_segment(segment_key)
        return scan is not None and await self.is_still_pending(scan) and await self.store_result(scan)

    async def _fill_indexes(self, segment_key: SegmentKey) -> None:
        """Fill the indexes that the creation of the segment left to the background."""
        workspace = segment_key.workspace
        find = partial(_find_unfilled, number=segment_key.segment)
        for field in await self.engine.read(bind_workspace(workspace, find)):
            await IndexFilling(self.engine, workspace, field, self.clock).run()
        track = partial(_track_time, number=segment_key.segment)
        await self.engine.write(lock_workspace(workspace, self.clock, track))

    async def scan_segment(self, segment_key: SegmentKey) -> ScanResult | None:
        """Scan all contacts for a segment in one snapshot; return None if it is not pending.

        Also returns None while time is not yet tracked for the segment, because changes during the scan would
        be lost.
        """
        return await self.engine.read(
            bind_workspace(segment_key.workspace, partial(_scan, segment_key=segment_key))
        )

    async def is_still_pending(self, scan: ScanResult) -> bool:
        """Tell whether the segment is still pending with the scanned condition."""
        return await self.engine.read(
            bind_workspace(scan.segment_key.workspace, partial(_revision_is_pending, scan=scan))
        )

    async def store_result(self, scan: ScanResult) -> bool:
        """Store the result of a scan, merged with later changes; return whether that was still needed."""
        return await self.engine.write(
            lock_workspace(scan.segment_key.workspace, self.clock, partial(_store_if_pending, scan=scan))
        )


async def _scan(tenant: Tenant, segment_key: SegmentKey) -> ScanResult | None:
    pending = await _load_pending(tenant, segment_key.segment)
    if pending is None:
        return None
    segment, state = pending
    node, members = segment.evaluated_tree, BitMap()
    if not tree.is_draft(node):
        if segment.next_change_at == TIME_NOT_TRACKED or await filling.find_unfilled(tenant, node):
            return None
        members = await read.evaluate_condition(tenant, node, state.evaluated_at, state.zone)
    return ScanResult(segment_key, segment, members)


async def _find_unfilled(tenant: Tenant, number: int) -> list[str]:
    pending = await _load_pending(tenant, number)
    return [] if pending is None else await filling.find_unfilled(tenant, pending[0].evaluated_tree)


async def _track_time(unit: WriteUnit, number: int) -> None:
    """Forget what moved a pending segment while its index was not filled, and track time from now on.

    Once it is tracked, another process may scan the segment, and needs what moved it since.
    """
    pending = await _load_pending(unit, number)
    if pending is None or not filling.reads_events(pending[0].evaluated_tree):
        return
    if await filling.find_unfilled(unit, pending[0].evaluated_tree):
        return
    if await pending_members.is_tracked(unit, number):
        return
    await pending_members.track(unit, number)
    if relative_dates_of(pending[0].evaluated_tree):
        next_change = unit.row.evaluated_at + 1
        await membership_store.set_next_changes(unit, {number: next_change})
        unit.lower_next_change(next_change)


async def _store_if_pending(unit: WriteUnit, scan: ScanResult) -> bool:
    writer = await open_writer(unit)
    if not await _revision_is_pending(unit, scan):
        return False
    await _store_members(writer, scan)
    return True


async def _store_members(writer: MembershipWriter, scan: ScanResult) -> None:
    segment = scan.segment_key.segment
    members = await pending_members.merge_into(writer.unit, segment, scan.members)
    origin = ChangeOrigin(writer.effective_now, first_evaluation_cause(scan.scanned))
    await replace_membership(writer, segment, members, origin)
    await pending_members.clear(writer.unit, segment)
    membership_store.renew_segments_version(writer.unit, [segment])
    if segment in writer.active_segments.conditions:
        await segments.set_last_calculated(writer.unit, segment, writer.effective_now)


async def _load_pending(tenant: Tenant, number: int) -> tuple[Segment, WorkspaceState] | None:
    """Return a pending segment and the state of its workspace, or None."""
    segment_and_state = await segments.find_by_number_with_state(tenant, number)
    return (
        None if segment_and_state is None or segment_and_state[0].members is not None else segment_and_state
    )


async def _revision_is_pending(tenant: Tenant, scan: ScanResult) -> bool:
    pending = await _load_pending(tenant, scan.segment_key.segment)
    if pending is None or pending[0].revision != scan.scanned.revision:
        return False
    # The rules of a referenced segment may have changed.
    return tree.encode(pending[0].evaluated_tree) == tree.encode(scan.scanned.evaluated_tree)
