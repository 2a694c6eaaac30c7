"""Memberships that are kept current: what chunks and the log since them say of a segment together."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap

from diglot.caches import CacheSlot, SharedCache
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.log_delta import LogDelta
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.pages import Window
from diglot.storage.membership import chunks, log, log_sums, segment_state
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.chunks import chunk_of, chunks_of
from diglot.storage.membership.log_sums import NetChange
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import WorkspaceRow, WriteUnit

# The log is folded into the chunks when it holds so many changes, each of one segment by one write: a folding
# writes most chunks of all segments, which pays where each gets several; but a new process has to read what
# is not folded. How many contacts a change moves counts for less: they are a bitmap from the start, but each
# process has it in memory.
COMPACT_AT: Final = 2_000
COMPACT_PER_CHUNK: Final = 256
COMPACT_AT_MOST: Final = 1_000_000
ENTRIES_PER_CHANGE: Final = 8
# Clocks of several servers agree so far, in microseconds.
MAX_CLOCK_SKEW: Final = 60_000_000
# Their chunks are in memory together.
_SEGMENTS_PER_COMPACTION: Final = 64
# Net changes of segments that a process remembers of all workspaces together.
MAX_CACHED_NET_CHANGES: Final = 100_000
_DeltaCache = SharedCache[int, LogDelta]


def _make_delta_cache() -> _DeltaCache:
    return SharedCache(MAX_CACHED_NET_CHANGES, lambda one: len(one.net_changes) + 1)


# By workspace. Deltas of transactions that write stand apart because what those see may be undone.
READER_DELTAS: Final = CacheSlot("log deltas of readers", _make_delta_cache)
WRITER_DELTAS: Final = CacheSlot("log deltas of writers", _make_delta_cache)


@dataclass(frozen=True, slots=True)
class MembershipReplacement:
    """A membership that was stored: how many members the chunks hold, who moved by it, as of which entry."""

    members: int
    entered: BitMap
    left: BitMap
    first_entry: int = 0


async def load_members(
    transaction: Transaction, workspace: int, segment: int, state: WorkspaceState
) -> BitMap:
    """Return every member of a segment in a state, by key."""
    changes = await get_delta(transaction, workspace, state)
    entered, left = changes.entered_and_left(segment)
    return (await chunks.load_all(transaction, workspace, segment) - left) | entered


async def replace_members(
    unit: WriteUnit, segment: int, now_members: BitMap, moment: ChangeOrigin, *, is_new: bool = False
) -> MembershipReplacement:
    """Write a membership in place of the one that is stored; where nobody entered or left, that one stays.

    Of a segment that is new in this unit nothing is stored yet.
    """
    stored, net = BitMap(), NetChange.starting_at(unit.row.compacted_entry + 1)
    if not is_new:
        changes = await get_delta(unit.transaction, unit.workspace, unit.state)
        stored = await chunks.load_all(unit.transaction, unit.workspace, segment)
        net = changes.net_changes.get(segment) or net
    was = (stored - net.left) | net.entered
    entered, left = now_members - was, was - now_members
    if not entered and not left:
        await segment_state.set_members(unit, {segment: len(stored)})
        return MembershipReplacement(len(stored), entered, left)
    await chunks.replace(unit.transaction, unit.workspace, segment, now_members, is_new=is_new)
    change = SegmentChange(segment, entered, left)
    first = await log.append(unit, [change], moment, rewrites_segment=True)
    passed = (net.toggled | net.entered | net.left) - (now_members ^ stored)
    sum_ = NetChange(net.first_entry, now_members - stored, stored - now_members, passed)
    await log_sums.add(unit.transaction, unit.workspace, unit.last_entry, [(segment, sum_)])
    await segment_state.set_members(unit, {segment: len(now_members)})
    return MembershipReplacement(len(now_members), entered, left, first)


async def rewrite_chunks(
    unit: WriteUnit, segment: int, now_members: BitMap, active_segments: ActiveSegments
) -> None:
    """Write the chunks of a membership and the number of its members anew, whatever they hold."""
    await compact_log(unit, active_segments)
    await chunks.replace(unit.transaction, unit.workspace, segment, now_members)
    await segment_state.set_members(unit, {segment: len(now_members)})


async def set_next_changes(unit: WriteUnit, nexts: Mapping[int, int]) -> None:
    """Note before which instant time does not change each of some segments."""
    if nexts:
        await segment_state.set_next_changes(unit.transaction, unit.workspace, nexts)
        unit.row.clock_version = _new_version()


async def lower_next_changes(unit: WriteUnit, nexts: Mapping[int, int]) -> None:
    """Note that time changes some segments at an instant, where it does not do so earlier."""
    await segment_state.lower_next_changes(unit.transaction, unit.workspace, nexts)
    unit.row.clock_version = _new_version()
    unit.lower_next_change(min(nexts.values()))


def renew_segments_version(unit: WriteUnit) -> None:
    """Note that the live segments are others now, under a number that nobody saw before."""
    unit.row.segments_version = _new_version()


def _new_version() -> int:
    return secrets.randbits(62) + 1


def compaction_threshold(live: ActiveSegments, pk: int) -> int:
    """Return how many changes the log may hold, given the live segments and the next key of a contact."""
    touched = (len(live.conditions) + len(live.static_segments)) * (chunk_of(pk) + 1)
    return max(COMPACT_AT, min(COMPACT_PER_CHUNK * touched, COMPACT_AT_MOST))


def needs_compaction(live: ActiveSegments, row: WorkspaceRow) -> bool:
    """Tell whether the log of a locked workspace is to be folded now."""
    most = compaction_threshold(live, row.next_pk)
    return (
        row.uncompacted_changes >= most
        or row.next_entry - 1 - row.compacted_entry >= most * ENTRIES_PER_CHANGE
    )


async def compact_log(unit: WriteUnit, live: ActiveSegments) -> None:
    """Write what the log says into the chunks, and in sum into the history."""
    state = unit.state
    if state.compacted_to == state.last_entry:
        return
    changes = await get_delta(unit.transaction, unit.workspace, state)
    nets = [
        (number, net) for number, net in sorted(changes.net_changes.items()) if number in live.stored_segments
    ]
    for first in range(0, len(nets), _SEGMENTS_PER_COMPACTION):
        await _compact_segments(
            unit.transaction, unit.workspace, changes, nets[first : first + _SEGMENTS_PER_COMPACTION]
        )
    moved = [(number, net) for number, net in nets if net.entered or net.left or net.toggled]
    await log_sums.add(unit.transaction, unit.workspace, state.last_entry, moved)
    unit.row.compacted_entry, unit.row.uncompacted_changes = state.last_entry, 0


async def _compact_segments(
    transaction: Transaction, workspace: int, changes: LogDelta, nets: Sequence[tuple[int, NetChange]]
) -> None:
    touched = {number: chunks_of(net.entered | net.left) for number, net in nets}
    every = {chunk for found in touched.values() for chunk in found}
    if not every:
        return
    stored = await chunks.load_some(transaction, workspace, touched, every)
    await chunks.write(
        transaction,
        workspace,
        [
            (number, chunk, changes.apply_to_chunk(number, stored.get((number, chunk), BitMap()), chunk))
            for number, found in touched.items()
            for chunk in found
        ],
    )
    more = {number: changes.count_members(number, 0) for number, _ in nets}
    await segment_state.add_members(transaction, workspace, more)


async def find_members_among(
    transaction: Transaction,
    workspace: int,
    segments_: Iterable[int],
    pks: Iterable[int],
    state: WorkspaceState,
) -> dict[int, BitMap]:
    """Return which of some contacts are in each of some segments."""
    asked = BitMap(pks)
    numbers = list(segments_)
    if not numbers or not asked:
        return {}
    changes = await get_delta(transaction, workspace, state)
    stored = await chunks.load_some(transaction, workspace, numbers, chunks_of(asked))
    found = {number: BitMap() for number in numbers}
    for (number, _), bits in stored.items():
        found[number] |= bits & asked
    for number in numbers:
        entered, left = changes.entered_and_left(number)
        found[number] = (found[number] - left) | (entered & asked)
    return found


def cached_delta_of_state(transaction: Transaction, workspace: int, state: WorkspaceState) -> LogDelta | None:
    """Return the overlay of a state where this process has it."""
    return cached_delta(transaction, workspace, state.compacted_to, state.last_entry)


def cached_delta(transaction: Transaction, workspace: int, folded: int, logged: int) -> LogDelta | None:
    """Return the overlay of the entries after one up to another where this process has it."""
    if folded == logged:
        return LogDelta(folded, logged)
    found = transaction.process_cache.of(READER_DELTAS).get(workspace)
    return found if found is not None and (found.compacted_to, found.last_entry) == (folded, logged) else None


async def get_delta(transaction: Transaction, workspace: int, state: WorkspaceState) -> LogDelta:
    """Return the overlay of the state that a transaction sees."""
    found = cached_delta_of_state(transaction, workspace, state)
    if found is not None:
        return found
    # What a transaction that writes sees may be undone: it is gone on with only where the log still holds it.
    kept = transaction.process_cache.of(WRITER_DELTAS if transaction.may_write else READER_DELTAS)
    found = await load_delta(transaction, workspace, state, kept.get(workspace))
    if transaction.may_write or _is_newer(found, kept.get(workspace)):
        kept.put(workspace, found)
    return found


async def _can_extend(
    transaction: Transaction, workspace: int, base: LogDelta, state: WorkspaceState
) -> bool:
    """Tell whether an overlay can be gone on with to a state."""
    if base.compacted_to != state.compacted_to or base.last_entry > state.last_entry:
        return False
    if base.fingerprint is None or not transaction.may_write:
        return True
    return await log.has_row(transaction, workspace, base.last_entry, base.fingerprint)


async def load_delta(
    transaction: Transaction, workspace: int, state: WorkspaceState, base: LogDelta | None
) -> LogDelta:
    """Return the overlay of a state as it is stored, but for what an earlier overlay says already."""
    if base is None or not await _can_extend(transaction, workspace, base, state):
        base = LogDelta(state.compacted_to, state.compacted_to)
    rows = await log.load_between(transaction, workspace, base.last_entry, state.last_entry)
    return base.with_rows(rows, state.last_entry)


def clear_cache(transaction: Transaction) -> None:
    """Forget what this process remembers of logs: they are read again."""
    for slot in (READER_DELTAS, WRITER_DELTAS):
        transaction.process_cache.of(slot).clear()


def _is_newer(found: LogDelta, kept: LogDelta | None) -> bool:
    return kept is None or (kept.compacted_to, kept.last_entry) < (found.compacted_to, found.last_entry)


async def load_page_keys(
    transaction: Transaction, workspace: int, segment: int, window: Window, changes: LogDelta
) -> list[int]:
    """Return the keys of a window of the members, newest first."""
    counts = changes.count_by_chunk(segment, await chunks.load_sizes(transaction, workspace, segment))
    found: list[int] = []
    skip = window.offset
    for chunk in sorted(counts, reverse=True):
        if skip >= counts[chunk]:
            skip -= counts[chunk]
            continue
        stored = await chunks.load_chunk(transaction, workspace, segment, chunk)
        found += newest_keys(changes.apply_to_chunk(segment, stored, chunk), skip, window.limit - len(found))
        skip = 0
        if len(found) == window.limit:
            break
    return found


def newest_keys(keys_: BitMap, offset: int, limit: int) -> list[int]:
    """Return a window of some keys, newest first."""
    end = max(0, len(keys_) - offset)
    return list(keys_[max(0, end - limit) : end])[::-1]
