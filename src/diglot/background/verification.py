"""Verification: what is stored of a segment, compared with a full evaluation; what differs is repaired.

It looks at what is stored, not at what this process remembers of it, in one state of the database. It must
find nothing, and counts what it finds.
"""

import logging
from dataclasses import dataclass, field

from pyroaring import BitMap

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, edges_of
from diglot.membership import read, store
from diglot.membership.log_delta import CHUNK_BITS, Overlay
from diglot.membership.writer import Current, current, keep, next_changes
from diglot.model.membership_changes import Cause, Moment
from diglot.model.segments import Segment, SegmentType
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.background import verifications
from diglot.storage.background.due_work import Place
from diglot.storage.membership import chunks, instant_checksums, instant_index
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State

log = logging.getLogger("diglot.upkeep")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at a segment found. `stale` are fields whose kept instants are not those of contacts."""

    revision: int
    members: bool = True
    numbers: bool = True
    next_change: bool = True
    stale: frozenset[str] = frozenset()

    @property
    def is_right(self) -> bool:
        """Whether there is nothing to repair."""
        return self.members and self.numbers and self.next_change and not self.stale


@dataclass(slots=True)
class Verification:
    """Verifies segments one after another."""

    engine: Engine
    clock: Clock = system_clock
    _read: tuple[int, Overlay] | None = field(default=None)

    async def verify(self, place: Place) -> Verdict | None:
        """Compare a segment, repair what differs, and note when; None where there is nothing to verify."""
        now = self.clock()
        verdict = await self.engine.read(lambda tx: self._look(tx, place, now))
        if verdict is not None:
            await self.engine.write(lambda tx: self._settle(tx, place, verdict, now))
        return verdict

    async def _look(self, transaction: Transaction, place: Place, now: int) -> Verdict | None:
        found = await segments.by_number_with_state(transaction, place.workspace, place.segment)
        if found is None or not is_verifiable(found[0]):
            return None
        segment, state = found
        # The log is read once for the segments of a workspace that follow each other.
        number, base = self._read or (0, None)
        changes = await store.read(
            transaction, place.workspace, state, base if number == place.workspace else None
        )
        self._read = place.workspace, changes
        return await _compare(_Seen(transaction, place.workspace, segment, state, changes), now)

    async def _settle(self, transaction: Transaction, place: Place, verdict: Verdict, now: int) -> None:
        locked = await workspaces.lock(transaction, place.workspace, moves=False, now=now)
        found = await segments.by_number_with_state(transaction, place.workspace, place.segment)
        if found is None or not is_verifiable(found[0]) or found[0].revision != verdict.revision:
            return
        await segments.set_calculated(transaction, place.workspace, place.segment, now)
        await verifications.add(transaction, place.workspace, verified=1)
        if not verdict.is_right:
            store.distrust(transaction)
            # The look may have taken long: by its beginning the clock would seem to be set back.
            here = await current(transaction, place.workspace, locked, self.clock())
            await _repair(here, place.segment, verdict)


def is_verifiable(segment: Segment) -> bool:
    """Tell whether a segment has stored members that follow from a condition."""
    dynamic = segment.type is SegmentType.DYNAMIC and segment.members is not None
    return dynamic and not tree.is_draft(segment.condition.tree)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A segment in one state of the database, and what the log since its chunks says."""

    transaction: Transaction
    workspace: int
    segment: Segment
    state: State
    changes: Overlay


async def _compare(seen: _Seen, now: int) -> Verdict:
    transaction, segment, state = seen.transaction, seen.segment, seen.state
    # Where time has not changed it since, what is stored is said to be right now, too.
    due = segment.next_change_at <= now
    at = state.evaluated_at if due else max(state.evaluated_at, now)
    node = segment.condition.tree
    expected = await read.evaluated(transaction, seen.workspace, node, at, state.zone)
    held = await chunks.rows(transaction, seen.workspace, segment.number)
    entered, left = seen.changes.change(segment.number)
    stored = (BitMap.union(BitMap(), *(bits for _, _, bits in held)) - left) | entered
    remembered = store.remembered(transaction, seen.workspace, state)
    as_remembered = remembered is None or remembered.change(segment.number) == (entered, left)
    return Verdict(
        segment.revision,
        members=stored == expected and as_remembered,
        numbers=_numbers_are_right(seen, held, expected),
        next_change=await _next_change_is_right(seen, at),
        stale=await _stale_fields(transaction, seen.workspace, segment, state),
    )


def _numbers_are_right(seen: _Seen, held: list[tuple[int, int, BitMap]], expected: BitMap) -> bool:
    """Tell whether the counts are: of all members, of each chunk as it stands, and of each with the log."""
    segment = seen.segment
    assert segment.members is not None
    counts = seen.changes.counts(segment.number, {chunk: n for chunk, n, _ in held})
    return (
        seen.changes.count(segment.number, segment.members) == len(expected)
        and all(n == len(bits) for _, n, bits in held)
        and sum(counts.values()) == len(expected)
        and all(count == _within(expected, chunk) for chunk, count in counts.items())
    )


def _within(members: BitMap, chunk: int) -> int:
    return members.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)


async def _next_change_is_right(seen: _Seen, at: int) -> bool:
    """Tell whether time changes nobody before the instant that is noted, nor the workspace's after it."""
    noted, zone = seen.segment.next_change_at, seen.state.zone
    first = NEVER
    for edge in edges_of(seen.segment.condition.tree):
        found = await instant_index.next_change(seen.transaction, seen.workspace, edge, at, zone)
        first = min(first, found)
    return seen.state.next_change_at <= noted <= first


async def _stale_fields(
    transaction: Transaction, workspace: int, segment: Segment, state: State
) -> frozenset[str]:
    """Return the fields of a condition with days whose kept instants are not those of the contacts."""
    fields = {edge.field for edge in edges_of(segment.condition.tree)}
    if not fields:
        return frozenset()
    stale = fields - await instant_index.watched(transaction, workspace)
    for name in sorted(fields - stale):
        if not await instant_checksums.agree(transaction, workspace, name, state.zone):
            stale.add(name)
    return frozenset(stale)


async def _repair(here: Current, number: int, verdict: Verdict) -> None:
    """Evaluate a segment in full, store what is found in place of what is there, and count who differed."""
    transaction, workspace = here.transaction, here.workspace
    node, moment = here.live.nodes[number], Moment(here.at, Cause.REPAIRED)
    expected = await read.evaluated(transaction, workspace, node, here.at, here.live.zone)
    kept = await keep(here, number, expected, moment)
    found = await segments.by_number_with_state(transaction, workspace, number)
    assert found is not None
    changes = await store.read(transaction, workspace, found[1], None)
    held = await chunks.rows(transaction, workspace, number)
    if not _numbers_are_right(_Seen(transaction, workspace, *found, changes), held, expected):
        await store.rewrite(transaction, workspace, number, expected, found[1], here.live)
    await _repair_clock(here, number, verdict.stale)
    contacts = len(kept.entered) + len(kept.left)
    await verifications.add(transaction, workspace, segments=1, contacts=contacts)
    log.warning("segment %d of workspace %d was wrong: %s, %d contacts", number, workspace, verdict, contacts)


async def _repair_clock(here: Current, number: int, stale: frozenset[str]) -> None:
    """Keep the instants of some fields anew, and note when time changes whatever looks at them."""
    transaction, workspace = here.transaction, here.workspace
    for name in sorted(stale):
        await instant_index.unwatch(transaction, workspace, name)
        await instant_index.watch(transaction, workspace, name, here.live.zone)
    looking = [having for edge, having in here.live.by_edge.items() if edge.field in stale]
    changes = await next_changes(here, frozenset({number}).union(*looking))
    await store.set_next(transaction, workspace, changes)
    await workspaces.lower_next_change(transaction, workspace, min(changes.values(), default=NEVER))
