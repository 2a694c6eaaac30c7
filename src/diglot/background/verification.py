"""Verifies stored memberships against a full evaluation, and repairs differences.

It reads the database, not this process's caches, in one snapshot. Differences are bugs in Diglot and are
counted.
"""

import logging
from dataclasses import dataclass, field
from functools import partial

import msgspec
from pyroaring import BitMap

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, relative_dates_of
from diglot.membership import compaction, read, store
from diglot.membership.log_delta import LogDelta
from diglot.membership.writer import MembershipWriter, compute_next_changes, open_writer, replace_membership
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import Segment, SegmentType
from diglot.storage.audience import segments
from diglot.storage.background import verifications
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.contacts import history_index
from diglot.storage.membership import chunks, crossings, instant_checksums, instant_index
from diglot.storage.membership.chunks import CHUNK_BITS
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import open_unit

log = logging.getLogger("diglot.background")


class VerificationResult(msgspec.Struct, frozen=True):
    """The result of verifying a segment.

    `stale_fields` have an instant index that differs from the contacts.
    """

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

    async def verify(self, segment_key: SegmentKey) -> VerificationResult | None:
        """Compare a segment, repair differences, and store when; return None if it cannot be verified."""
        number, now = segment_key.segment, self.clock()
        result = await self.compare(segment_key)
        if result is not None:
            record = partial(self._record_result, number=number, result=result, now=now)
            await self.engine.write(bind_workspace(segment_key.workspace, record))
        return result

    async def compare(self, segment_key: SegmentKey) -> VerificationResult | None:
        """Compare a segment without repairing it; return None if it cannot be verified."""
        compare = partial(self._compare_in_snapshot, number=segment_key.segment, now=self.clock())
        return await self.engine.read(bind_workspace(segment_key.workspace, compare))

    async def _compare_in_snapshot(self, tenant: Tenant, number: int, now: int) -> VerificationResult | None:
        segment_and_state = await segments.find_by_number_with_state(tenant, number)
        if segment_and_state is None or not is_verifiable(segment_and_state[0]):
            return None
        segment, state = segment_and_state
        # Consecutive segments of a workspace share one read of the log.
        workspace, base = self._cached_delta or (0, None)
        delta = await store.load_delta(tenant, state, base if workspace == tenant.workspace else None)
        self._cached_delta = tenant.workspace, delta
        return await _compare_with_evaluation(_Snapshot(tenant, segment, state, delta), now)

    async def _record_result(self, tenant: Tenant, number: int, result: VerificationResult, now: int) -> None:
        async with open_unit(tenant, self.clock) as unit:
            segment_and_state = await segments.find_by_number_with_state(unit, number)
            if (
                segment_and_state is None
                or not is_verifiable(segment_and_state[0])
                or segment_and_state[0].revision != result.revision
            ):
                return
            await segments.set_last_calculated(unit, number, now)
            await verifications.add_counts(unit, verified_segments=1)
            if not result.is_correct:
                store.clear_cache(unit.transaction)
                await _repair_segment(await open_writer(unit), number, result)


def is_verifiable(segment: Segment) -> bool:
    """Tell whether a segment has stored members that follow from a condition."""
    is_evaluated = segment.type is SegmentType.DYNAMIC and segment.members is not None
    return is_evaluated and not tree.is_draft(segment.condition.tree)


class _Snapshot(msgspec.Struct, frozen=True):
    """A segment in one snapshot of the database, with the delta of the log since its chunks."""

    tenant: Tenant
    segment: Segment
    state: WorkspaceState
    delta: LogDelta


async def _compare_with_evaluation(snapshot: _Snapshot, now: int) -> VerificationResult:
    segment, state = snapshot.segment, snapshot.state
    # If time has not changed the segment since, its stored members must be right at `now` too.
    due = segment.next_change_at <= now
    at = state.evaluated_at if due else max(state.evaluated_at, now)
    node = segment.evaluated_tree
    expected = await read.evaluate_condition(snapshot.tenant, node, at, state.zone)
    rows = await chunks.load_rows(snapshot.tenant, segment.number)
    entered, left = snapshot.delta.entered_and_left(segment.number)
    stored = (BitMap.union(BitMap(), *(bits for _, _, bits in rows)) - left) | entered
    cached = store.cached_delta_of_state(snapshot.tenant, state)
    cache_matches = cached is None or cached.entered_and_left(segment.number) == (entered, left)
    return VerificationResult(
        segment.revision,
        members_match=stored == expected and cache_matches,
        counts_match=_counts_match(snapshot, rows, expected),
        next_change_matches=await _next_change_matches(snapshot, at),
        stale_fields=await _find_stale_fields(snapshot.tenant, segment, state),
    )


def _counts_match(snapshot: _Snapshot, rows: list[tuple[int, int, BitMap]], expected: BitMap) -> bool:
    """Tell whether the counts match: of all members, and of each chunk with and without the delta."""
    segment = snapshot.segment
    assert segment.members is not None
    counts = snapshot.delta.count_by_chunk(segment.number, {chunk: n for chunk, n, _ in rows})
    return (
        snapshot.delta.count_members(segment.number, segment.members) == len(expected)
        and all(n == len(bits) for _, n, bits in rows)
        and sum(counts.values()) == len(expected)
        and all(count == _count_in_chunk(expected, chunk) for chunk, count in counts.items())
    )


def _count_in_chunk(members: BitMap, chunk: int) -> int:
    return members.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)


async def _next_change_matches(snapshot: _Snapshot, at: int) -> bool:
    """Tell whether time changes no member before the stored instant, nor the workspace after it."""
    stored, zone = snapshot.segment.next_change_at, snapshot.state.zone
    relative_dates = relative_dates_of(snapshot.segment.evaluated_tree)
    first = await crossings.find_first_flip(snapshot.tenant, relative_dates, at, zone)
    return snapshot.state.next_change_at <= stored <= first


async def _find_stale_fields(tenant: Tenant, segment: Segment, state: WorkspaceState) -> frozenset[str]:
    """Return the fields with relative dates in a condition whose instant index differs from the contacts."""
    fields = {relative_date.field for relative_date in relative_dates_of(segment.evaluated_tree)}
    if not fields:
        return frozenset()
    indexed = await history_index.load_indexed_fields(tenant)
    stale = {name for name in fields if history_index.key_of(name) not in indexed}
    for name in sorted(fields - stale):
        if not await instant_checksums.index_matches_contacts(tenant, name, state.zone):
            stale.add(name)
    return frozenset(stale)


async def _repair_segment(writer: MembershipWriter, segment: int, result: VerificationResult) -> None:
    """Replace the stored members of a segment by a full evaluation, and count the contacts that differed."""
    # An invalid segment has no active condition, and no members.
    node = writer.active_segments.conditions.get(segment, tree.DRAFT)
    origin = ChangeOrigin(writer.effective_now, Cause.REPAIRED)
    expected = await read.evaluate_condition(
        writer.unit, node, writer.effective_now, writer.active_segments.zone
    )
    change = await replace_membership(writer, segment, expected, origin)
    segment_and_state = await segments.find_by_number_with_state(writer.unit, segment)
    assert segment_and_state is not None
    delta = await store.load_delta(writer.unit, segment_and_state[1], None)
    rows = await chunks.load_rows(writer.unit, segment)
    if not _counts_match(_Snapshot(writer.unit, *segment_and_state, delta), rows, expected):
        await compaction.rewrite_chunks(writer.unit, segment, expected, writer.active_segments)
    await _repair_indexes(writer, segment, result.stale_fields)
    contacts = len(change.entered) + len(change.left)
    await verifications.add_counts(writer.unit, repaired_segments=1, repaired_contacts=contacts)
    workspace = writer.unit.workspace
    log.warning("repaired segment %d of workspace %d: %s, %d contacts", segment, workspace, result, contacts)


async def _repair_indexes(writer: MembershipWriter, segment: int, stale: frozenset[str]) -> None:
    """Rebuild the instant index of fields, and recompute the next changes of segments that use them."""
    for name in sorted(stale):
        await instant_index.drop_index(writer.unit, name)
        await instant_index.build_index(writer.unit, name, writer.active_segments.zone)
    users = [
        numbers
        for relative_date, numbers in writer.active_segments.by_relative_date.items()
        if relative_date.field in stale
    ]
    numbers = frozenset({segment}).union(*users) & writer.active_segments.all_dynamic
    next_changes = await compute_next_changes(writer, numbers)
    await store.set_next_changes(writer.unit, next_changes)
    writer.unit.lower_next_change(min(next_changes.values(), default=NEVER))
