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
from diglot.membership.evaluate import first_cause
from diglot.membership.writer import UNFOLLOWED, Current, current, keep, tick
from diglot.model.membership_changes import Moment
from diglot.model.segments import Segment
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.background.due_work import Place
from diglot.storage.membership import pending_members
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State


@dataclass(frozen=True, slots=True)
class Scan:
    """Who met the condition of a segment of a revision when it was scanned."""

    place: Place
    revision: int
    members: BitMap


@dataclass(frozen=True, slots=True)
class Building:
    """Evaluates segments that wait for it."""

    engine: Engine
    clock: Clock = system_clock

    async def build(self, place: Place) -> bool:
        """Evaluate a segment; return whether it is stored now, which a change of it meanwhile prevents."""
        # What is scanned for has to be followed by then, and the less time has passed since the better.
        await self.engine.write(lambda tx: tick(tx, place.workspace, self.clock()))
        scan = await self.scan(place)
        return scan is not None and await self.is_wanted(scan) and await self.store(scan)

    async def scan(self, place: Place) -> Scan | None:
        """Scan all contacts for a segment, in one state of the database; None where it does not wait.

        Nor is one scanned for that time does not move yet, as nobody would note what it does meanwhile.
        """

        async def work(transaction: Transaction) -> Scan | None:
            found = await _pending(transaction, place)
            if found is None:
                return None
            segment, state = found
            node, members = segment.condition.tree, BitMap()
            if not tree.is_draft(node):
                if segment.next_change_at == UNFOLLOWED:
                    return None
                at, zone = state.evaluated_at, state.zone
                members = await read.evaluated(transaction, place.workspace, node, at, zone)
            return Scan(place, segment.revision, members)

        return await self.engine.read(work)

    async def is_wanted(self, scan: Scan) -> bool:
        """Tell whether the segment still waits under the condition that was scanned for."""
        return await self.engine.read(lambda tx: _is_of(tx, scan))

    async def store(self, scan: Scan) -> bool:
        """Store what a scan found, brought to now; return whether the segment still waited for it."""

        async def work(transaction: Transaction) -> bool:
            here = await self._current(transaction, scan.place)
            if not await _is_of(transaction, scan):
                return False
            await _store(here, scan)
            return True

        return await self.engine.write(work)

    async def _current(self, transaction: Transaction, place: Place) -> Current:
        now = self.clock()
        locked = await workspaces.lock(transaction, place.workspace, moves=False, now=now)
        return await current(transaction, place.workspace, locked, now)


async def _store(here: Current, scan: Scan) -> None:
    transaction, workspace, number = here.transaction, here.workspace, scan.place.segment
    members = await pending_members.applied(transaction, workspace, number, scan.members)
    moment = Moment(here.at, first_cause(scan.revision))
    await keep(here, number, members, moment)
    await pending_members.forget(transaction, workspace, number)
    await membership_store.changed_segments(transaction, workspace)
    if number in here.live.nodes:
        await segments.set_calculated(transaction, workspace, number, here.at)


async def _pending(transaction: Transaction, place: Place) -> tuple[Segment, State] | None:
    """Return a segment that waits to be evaluated, and the state of its workspace."""
    found = await segments.by_number_with_state(transaction, place.workspace, place.segment)
    return None if found is None or found[0].members is not None else found


async def _is_of(transaction: Transaction, scan: Scan) -> bool:
    found = await _pending(transaction, scan.place)
    return found is not None and found[0].revision == scan.revision
