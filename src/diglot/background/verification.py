"""Verification: what is stored of a segment, compared with a full evaluation; what differs is repaired.

It looks at what is stored, not at what this process remembers of it, in one state of the database. It must
find nothing, and counts what it finds.
"""

import logging
from dataclasses import dataclass, field

from pyroaring import BitMap

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, relative_dates_of
from diglot.membership import read, store
from diglot.membership.log_delta import LogDelta
from diglot.membership.writer import MembershipWriter, compute_next_changes, open_writer, replace_membership
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import Segment, SegmentType
from diglot.storage.audience import segments
from diglot.storage.background import verifications
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.membership import chunks, instant_checksums, instant_index
from diglot.storage.membership.chunks import CHUNK_BITS
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import open_unit

log = logging.getLogger("diglot.background")


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What one look at a segment found. `stale` are fields whose kept instants are not those of contacts."""

    revision: int
    members_match: bool = True
    counts_match: bool = True
    next_change_matches: bool = True
    stale_fields: frozenset[str] = frozenset()

    @property
    def is_correct(self) -> bool:
        """Whether there is nothing to repair."""
        return self.members_match and self.counts_match and self.next_change_matches and not self.stale_fields


@dataclass(slots=True)
class Verification:
    """Verifies segments one after another."""

    engine: Engine
    clock: Clock = system_clock
    _cached_delta: tuple[int, LogDelta] | None = field(default=None)

    async def verify(self, place: SegmentKey) -> VerificationResult | None:
        """Compare a segment, repair what differs, and note when; None where there is nothing to verify."""
        now = self.clock()
        verdict = await self.engine.read(lambda tx: self._compare_in_snapshot(tx, place, now))
        if verdict is not None:
            await self.engine.write(lambda tx: self._record_result(tx, place, verdict, now))
        return verdict

    async def _compare_in_snapshot(
        self, transaction: Transaction, place: SegmentKey, now: int
    ) -> VerificationResult | None:
        found = await segments.find_by_number_with_state(transaction, place.workspace, place.segment)
        if found is None or not is_verifiable(found[0]):
            return None
        segment, state = found
        # The log is read once for the segments of a workspace that follow each other.
        number, base = self._cached_delta or (0, None)
        changes = await store.load_delta(
            transaction, place.workspace, state, base if number == place.workspace else None
        )
        self._cached_delta = place.workspace, changes
        return await _compare_with_evaluation(
            _Snapshot(transaction, place.workspace, segment, state, changes), now
        )

    async def _record_result(
        self, transaction: Transaction, place: SegmentKey, verdict: VerificationResult, now: int
    ) -> None:
        async with open_unit(transaction, place.workspace, self.clock) as unit:
            found = await segments.find_by_number_with_state(transaction, place.workspace, place.segment)
            if found is None or not is_verifiable(found[0]) or found[0].revision != verdict.revision:
                return
            await segments.set_last_calculated(transaction, place.workspace, place.segment, now)
            await verifications.add_counts(transaction, place.workspace, verified_segments=1)
            if not verdict.is_correct:
                store.clear_cache(transaction)
                await _repair_segment(await open_writer(unit), place.segment, verdict)


def is_verifiable(segment: Segment) -> bool:
    """Tell whether a segment has stored members that follow from a condition."""
    dynamic = segment.type is SegmentType.DYNAMIC and segment.members is not None
    return dynamic and not tree.is_draft(segment.condition.tree)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A segment in one state of the database, and what the log since its chunks says."""

    transaction: Transaction
    workspace: int
    segment: Segment
    state: WorkspaceState
    delta: LogDelta


async def _compare_with_evaluation(seen: _Snapshot, now: int) -> VerificationResult:
    transaction, segment, state = seen.transaction, seen.segment, seen.state
    # Where time has not changed it since, what is stored is said to be right now, too.
    due = segment.next_change_at <= now
    at = state.evaluated_at if due else max(state.evaluated_at, now)
    node = segment.condition.tree
    expected = await read.evaluate_condition(transaction, seen.workspace, node, at, state.zone)
    held = await chunks.load_rows(transaction, seen.workspace, segment.number)
    entered, left = seen.delta.entered_and_left(segment.number)
    stored = (BitMap.union(BitMap(), *(bits for _, _, bits in held)) - left) | entered
    remembered = store.cached_delta_of_state(transaction, seen.workspace, state)
    as_remembered = remembered is None or remembered.entered_and_left(segment.number) == (entered, left)
    return VerificationResult(
        segment.revision,
        members_match=stored == expected and as_remembered,
        counts_match=_counts_match(seen, held, expected),
        next_change_matches=await _next_change_matches(seen, at),
        stale_fields=await _find_stale_fields(transaction, seen.workspace, segment, state),
    )


def _counts_match(seen: _Snapshot, held: list[tuple[int, int, BitMap]], expected: BitMap) -> bool:
    """Tell whether the counts are: of all members, of each chunk as it stands, and of each with the log."""
    segment = seen.segment
    assert segment.members is not None
    counts = seen.delta.count_by_chunk(segment.number, {chunk: n for chunk, n, _ in held})
    return (
        seen.delta.count_members(segment.number, segment.members) == len(expected)
        and all(n == len(bits) for _, n, bits in held)
        and sum(counts.values()) == len(expected)
        and all(count == _count_in_chunk(expected, chunk) for chunk, count in counts.items())
    )


def _count_in_chunk(members: BitMap, chunk: int) -> int:
    return members.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)


async def _next_change_matches(seen: _Snapshot, at: int) -> bool:
    """Tell whether time changes nobody before the instant that is noted, nor the workspace's after it."""
    noted, zone = seen.segment.next_change_at, seen.state.zone
    first = NEVER
    for edge in relative_dates_of(seen.segment.condition.tree):
        found = await instant_index.find_next_flip(seen.transaction, seen.workspace, edge, at, zone)
        first = min(first, found)
    return seen.state.next_change_at <= noted <= first


async def _find_stale_fields(
    transaction: Transaction, workspace: int, segment: Segment, state: WorkspaceState
) -> frozenset[str]:
    """Return the fields of a condition with days whose kept instants are not those of the contacts."""
    fields = {edge.field for edge in relative_dates_of(segment.condition.tree)}
    if not fields:
        return frozenset()
    stale = fields - await instant_index.load_indexed_fields(transaction, workspace)
    for name in sorted(fields - stale):
        if not await instant_checksums.index_matches_contacts(transaction, workspace, name, state.zone):
            stale.add(name)
    return frozenset(stale)


async def _repair_segment(here: MembershipWriter, number: int, verdict: VerificationResult) -> None:
    """Evaluate a segment in full, store what is found in place of what is there, and count who differed."""
    transaction, workspace = here.transaction, here.workspace
    node, moment = here.active_segments.conditions[number], ChangeOrigin(here.effective_now, Cause.REPAIRED)
    expected = await read.evaluate_condition(
        transaction, workspace, node, here.effective_now, here.active_segments.zone
    )
    kept = await replace_membership(here, number, expected, moment)
    found = await segments.find_by_number_with_state(transaction, workspace, number)
    assert found is not None
    changes = await store.load_delta(transaction, workspace, found[1], None)
    held = await chunks.load_rows(transaction, workspace, number)
    if not _counts_match(_Snapshot(transaction, workspace, *found, changes), held, expected):
        await store.rewrite_chunks(here.unit, number, expected, here.active_segments)
    await _repair_indexes(here, number, verdict.stale_fields)
    contacts = len(kept.entered) + len(kept.left)
    await verifications.add_counts(transaction, workspace, repaired_segments=1, repaired_contacts=contacts)
    log.warning("repaired segment %d of workspace %d: %s, %d contacts", number, workspace, verdict, contacts)


async def _repair_indexes(here: MembershipWriter, number: int, stale: frozenset[str]) -> None:
    """Keep the instants of some fields anew, and note when time changes whatever looks at them."""
    transaction, workspace = here.transaction, here.workspace
    for name in sorted(stale):
        await instant_index.drop_index(transaction, workspace, name)
        await instant_index.build_index(transaction, workspace, name, here.active_segments.zone)
    looking = [
        having for edge, having in here.active_segments.by_relative_date.items() if edge.field in stale
    ]
    changes = await compute_next_changes(here, frozenset({number}).union(*looking))
    await store.set_next_changes(here.unit, changes)
    here.unit.lower_next_change(min(changes.values(), default=NEVER))
