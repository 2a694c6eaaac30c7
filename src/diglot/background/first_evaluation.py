"""Segments of large workspaces, evaluated in the background: one scan, then what writes did meanwhile.

The scan sees one state of the database. Every write since the segment was made or changed notes whom it
moves, and so does time, so that it does not matter which of them the scan saw.
"""

from dataclasses import dataclass

from pyroaring import BitMap

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.membership import read
from diglot.membership import store as membership_store
from diglot.membership.evaluate import first_evaluation_cause
from diglot.membership.writer import TIME_NOT_TRACKED, MembershipWriter, open_writer, replace_membership, tick
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment
from diglot.storage.audience import segments
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.membership import pending_members
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import open_unit


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Who met the condition of a segment of a revision when it was scanned."""

    segment_key: SegmentKey
    revision: int
    members: BitMap


@dataclass(frozen=True, slots=True)
class FirstEvaluation:
    """Evaluates segments that wait for it."""

    engine: Engine
    clock: Clock = system_clock

    async def run(self, place: SegmentKey) -> bool:
        """Evaluate a segment; return whether it is stored now, which a change of it meanwhile prevents."""
        # What is scanned for has to be followed by then, and the less time has passed since the better.
        await self.engine.write(lambda tx: tick(tx, place.workspace, self.clock()))
        scan = await self.scan_segment(place)
        return scan is not None and await self.is_still_pending(scan) and await self.store_result(scan)

    async def scan_segment(self, place: SegmentKey) -> ScanResult | None:
        """Scan all contacts for a segment, in one state of the database; None where it does not wait.

        Nor is one scanned for that time does not move yet, as nobody would note what it does meanwhile.
        """

        async def work(transaction: Transaction) -> ScanResult | None:
            found = await _load_pending(transaction, place)
            if found is None:
                return None
            segment, state = found
            node, members = segment.condition.tree, BitMap()
            if not tree.is_draft(node):
                if segment.next_change_at == TIME_NOT_TRACKED:
                    return None
                at, zone = state.evaluated_at, state.zone
                members = await read.evaluate_condition(transaction, place.workspace, node, at, zone)
            return ScanResult(place, segment.revision, members)

        return await self.engine.read(work)

    async def is_still_pending(self, scan: ScanResult) -> bool:
        """Tell whether the segment still waits under the condition that was scanned for."""
        return await self.engine.read(lambda tx: _revision_is_pending(tx, scan))

    async def store_result(self, scan: ScanResult) -> bool:
        """Store what a scan found, brought to now; return whether the segment still waited for it."""

        async def work(transaction: Transaction) -> bool:
            async with open_unit(transaction, scan.segment_key.workspace, self.clock) as unit:
                here = await open_writer(unit)
                if not await _revision_is_pending(transaction, scan):
                    return False
                await _store_members(here, scan)
                return True

        return await self.engine.write(work)


async def _store_members(here: MembershipWriter, scan: ScanResult) -> None:
    transaction, workspace, number = here.transaction, here.workspace, scan.segment_key.segment
    members = await pending_members.merge_into(transaction, workspace, number, scan.members)
    moment = ChangeOrigin(here.effective_now, first_evaluation_cause(scan.revision))
    await replace_membership(here, number, members, moment)
    await pending_members.clear(transaction, workspace, number)
    membership_store.renew_segments_version(here.unit)
    if number in here.active_segments.conditions:
        await segments.set_last_calculated(transaction, workspace, number, here.effective_now)


async def _load_pending(transaction: Transaction, place: SegmentKey) -> tuple[Segment, WorkspaceState] | None:
    """Return a segment that waits to be evaluated, and the state of its workspace."""
    found = await segments.find_by_number_with_state(transaction, place.workspace, place.segment)
    return None if found is None or found[0].members is not None else found


async def _revision_is_pending(transaction: Transaction, scan: ScanResult) -> bool:
    found = await _load_pending(transaction, scan.segment_key)
    return found is not None and found[0].revision == scan.revision
