"""Compaction: writes the delta of the membership log into the chunks, when the log has become long."""

from collections.abc import Sequence
from typing import Final

from pyroaring import BitMap

from diglot.membership import store
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.log_delta import LogDelta
from diglot.storage.membership import chunks, log_sums, segment_state
from diglot.storage.membership.chunks import chunk_of, chunks_of
from diglot.storage.membership.log_sums import NetChange
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WorkspaceRow, WriteUnit

# The log is compacted when it holds this many uncompacted changes (one segment in one write), because a
# compaction rewrites most chunks of all segments, which pays only if each chunk gets several changes. The
# number is bounded, because a new process has to load everything that is not compacted. The number of
# contacts in a change matters less: they are one bitmap, but each process holds it in memory.
COMPACT_AT: Final = 2_000
COMPACT_PER_CHUNK: Final = 256
COMPACT_AT_MOST: Final = 1_000_000
ENTRIES_PER_CHANGE: Final = 8
# A writer extends its delta whenever it has appended so many changes, which takes about 50 ms, so that a
# compaction finds most of the log in memory.
DELTA_STEP: Final = 32_768
# The chunks of this many segments are in memory at the same time.
_SEGMENTS_PER_COMPACTION: Final = 64


def compaction_threshold(active_segments: ActiveSegments, pk: int) -> int:
    """Return how many changes the log may hold, given the active segments and the next contact key."""
    touched = (len(active_segments.conditions) + len(active_segments.static_segments)) * (chunk_of(pk) + 1)
    return max(COMPACT_AT, min(COMPACT_PER_CHUNK * touched, COMPACT_AT_MOST))


def needs_compaction(active_segments: ActiveSegments, row: WorkspaceRow) -> bool:
    """Tell whether the log of a locked workspace should be compacted now."""
    max_changes = compaction_threshold(active_segments, row.next_pk)
    return (
        row.uncompacted_changes >= max_changes
        or row.next_entry - 1 - row.compacted_entry >= max_changes * ENTRIES_PER_CHANGE
    )


async def compact_if_long(unit: WriteUnit, active_segments: ActiveSegments, appended: int) -> None:
    """Compact the log if some changes that were appended made it long, or extend the delta meanwhile."""
    changes = unit.row.uncompacted_changes
    if needs_compaction(active_segments, unit.row):
        await compact_log(unit, active_segments)
    elif changes // DELTA_STEP > (changes - appended) // DELTA_STEP and _has_most_in_memory(unit):
        await store.get_delta(unit, unit.state)


def _has_most_in_memory(unit: WriteUnit) -> bool:
    """Tell whether a cached delta has half of the log, or whether that is short.

    One that is missing later was evicted from the cache, and is not read again at each step.
    """
    if unit.row.uncompacted_changes < 2 * DELTA_STEP:
        return True
    state, base = unit.state, store.find_newest_base(unit, unit.state)
    return base is not None and base.last_entry - state.compacted_to >= state.last_entry - base.last_entry


async def compact_log(unit: WriteUnit, active_segments: ActiveSegments) -> None:
    """Write the delta of the log into the chunks, and its net changes into the log sums for history."""
    state = unit.state
    if state.compacted_to == state.last_entry:
        return
    changes = await store.get_delta(unit, state)
    nets = [
        (number, net)
        for number, net in sorted(changes.net_changes.items())
        if number in active_segments.stored_segments
    ]
    for first in range(0, len(nets), _SEGMENTS_PER_COMPACTION):
        await _compact_segments(unit, changes, nets[first : first + _SEGMENTS_PER_COMPACTION])
    moved = [(number, net) for number, net in nets if net.entered or net.left or net.toggled]
    await log_sums.add(unit, state.last_entry, moved)
    unit.row.compacted_entry, unit.row.uncompacted_changes = state.last_entry, 0


async def _compact_segments(tenant: Tenant, changes: LogDelta, nets: Sequence[tuple[int, NetChange]]) -> None:
    touched = {number: chunks_of(net.entered | net.left) for number, net in nets}
    all_touched = {chunk for touched_chunks in touched.values() for chunk in touched_chunks}
    if not all_touched:
        return
    stored = await chunks.load_some(tenant, touched, all_touched)
    await chunks.write(
        tenant,
        [
            (number, chunk, changes.apply_to_chunk(number, stored.get((number, chunk), BitMap()), chunk))
            for number, touched_chunks in touched.items()
            for chunk in touched_chunks
        ],
    )
    added_counts = {number: changes.count_members(number, 0) for number, _ in nets}
    await segment_state.add_members(tenant, added_counts)


async def rewrite_chunks(
    unit: WriteUnit, segment: int, new_members: BitMap, active_segments: ActiveSegments
) -> None:
    """Rewrite the chunks and the member count of a segment, even if the stored ones look right."""
    await compact_log(unit, active_segments)
    await chunks.replace(unit, segment, new_members)
    await segment_state.set_members(unit, {segment: len(new_members)})
