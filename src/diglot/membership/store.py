"""Stored memberships: a segment's members are its chunks plus the delta of the log since the last compaction.

    members = (chunks - delta.left) | delta.entered

A chunk is a roaring bitmap of the members among 65,536 consecutive contact keys, stored with its cardinality.
A write does not touch chunks: it appends one log row with the contacts that entered and left, because
rewriting a chunk for each changed segment costs more. Measured with a prototype on SQLite (100,000 contacts,
1,000 segments, one contact in each write): 944 contacts/s when writes rewrite bitmaps, 6,665 contacts/s with
the log, compacted at 2,000 rows. `workspaces.compacted_entry` is the last entry that the chunks contain.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from pyroaring import BitMap

from diglot.caches import CacheSlot, ProcessCache, SharedCache
from diglot.membership.log_delta import LogDelta
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.pages import Window
from diglot.storage import segment_steps
from diglot.storage.membership import chunks, log, log_sums, segment_state
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.chunks import chunks_of
from diglot.storage.membership.log_counts import QUARTER
from diglot.storage.membership.log_sums import NetChange
from diglot.storage.slices import compute_off_loop
from diglot.storage.sql.engine import Transaction
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import WriteUnit

# Clocks of different servers may differ by this much, in microseconds.
MAX_CLOCK_SKEW: Final = 60_000_000
# Adding so many changes to a delta takes about 1 ms.
_CHANGES_OF_A_STEP: Final = 500
_DeltaCache = SharedCache[int, LogDelta]


def _make_delta_cache(size: int) -> _DeltaCache:
    return SharedCache(size, lambda _, delta: delta.weight)


# By workspace. Deltas of write transactions are cached separately, because those may be rolled back.
READER_DELTAS: Final = CacheSlot("log deltas of readers", 0.125, _make_delta_cache)
WRITER_DELTAS: Final = CacheSlot("log deltas of writers", 0.125, _make_delta_cache)


@dataclass(frozen=True, slots=True)
class MembershipReplacement:
    """A stored replacement: the number of members in the chunks, the contacts that moved, the first entry."""

    members: int
    entered: BitMap
    left: BitMap
    first_entry: int = 0


async def load_members(tenant: Tenant, segment: int, state: WorkspaceState) -> BitMap:
    """Return the keys of all members of a segment in a state of its workspace."""
    changes = await get_delta(tenant, state)
    entered, left = changes.entered_and_left(segment)
    return (await chunks.load_all(tenant, segment) - left) | entered


async def replace_members(
    unit: WriteUnit, segment: int, new_members: BitMap, origin: ChangeOrigin, *, is_new: bool = False
) -> MembershipReplacement:
    """Replace the stored members of a segment; chunks and log stay as they are if no contact moved.

    `is_new` skips reading stored members, because a segment created in this unit has none.
    """
    stored, net = BitMap(), NetChange.starting_at(unit.row.compacted_entry + 1)
    if not is_new:
        changes = await get_delta(unit, unit.state)
        stored = await chunks.load_all(unit, segment)
        net = changes.net_changes.get(segment) or net
    old_members = (stored - net.left) | net.entered
    entered, left = new_members - old_members, old_members - new_members
    if not entered and not left:
        await segment_state.set_members(unit, {segment: len(stored)})
        return MembershipReplacement(len(stored), entered, left)
    await chunks.replace(unit, segment, new_members, is_new=is_new)
    change = SegmentChange(segment, entered, left)
    first = await log.append(unit, [change], origin, rewrites_segment=True)
    toggled = (net.toggled | net.entered | net.left) - (new_members ^ stored)
    sum_ = replace(net, entered=new_members - stored, left=stored - new_members, toggled=toggled)
    sum_.count(change, origin.at // QUARTER)
    await log_sums.add(unit, unit.last_entry, [(segment, sum_)])
    await segment_state.set_members(unit, {segment: len(new_members)})
    return MembershipReplacement(len(new_members), entered, left, first)


async def set_next_changes(unit: WriteUnit, next_changes: Mapping[int, int]) -> None:
    """Store for each segment the next instant at which time alone can change its members."""
    if next_changes:
        await segment_state.set_next_changes(unit, next_changes)
        unit.row.clock_version = _new_version()


async def lower_next_changes(unit: WriteUnit, next_changes: Mapping[int, int]) -> None:
    """Store the instants at which time can change segments, unless an earlier one is stored."""
    await segment_state.lower_next_changes(unit, next_changes)
    unit.row.clock_version = _new_version()
    unit.lower_next_change(min(next_changes.values()))


def renew_segments_version(unit: WriteUnit, changed: Collection[int]) -> None:
    """Give the active segments a new random version, so that every process reloads those that changed."""
    row, version = unit.row, _new_version()
    row.segments_steps = segment_steps.add_step(row.segments_steps, row.segments_version, version, changed)
    row.segments_version = version


def _new_version() -> int:
    return secrets.randbits(62) + 1


async def find_members_among(
    tenant: Tenant, segments_: Iterable[int], pks: Iterable[int], state: WorkspaceState
) -> dict[int, BitMap]:
    """Return for each of the segments which of the given contacts are members."""
    candidates = BitMap(pks)
    numbers = list(segments_)
    if not numbers or not candidates:
        return {}
    changes = await get_delta(tenant, state)
    stored = await chunks.load_some(tenant, numbers, chunks_of(candidates))
    members = {number: BitMap() for number in numbers}
    for (number, _), bits in stored.items():
        members[number] |= bits & candidates
    for number in numbers:
        entered, left = changes.entered_and_left(number)
        members[number] = (members[number] - left) | (entered & candidates)
    return members


def cached_delta_of_state(tenant: Tenant, state: WorkspaceState) -> LogDelta | None:
    """Return the delta of a state from the process cache, or None."""
    return cached_delta(tenant, state.compacted_to, state.last_entry)


def cached_delta(tenant: Tenant, compacted_to: int, last: int) -> LogDelta | None:
    """Return the delta of the entries after `compacted_to` from the process cache, or None."""
    return find_cached_delta(tenant.transaction.process_cache, tenant.workspace, compacted_to, last)


def find_cached_delta(
    process_cache: ProcessCache, workspace: int, compacted_to: int, last: int
) -> LogDelta | None:
    """Return the delta of entries of a workspace as `cached_delta` does, outside of any transaction."""
    if compacted_to == last:
        return LogDelta(compacted_to, last)
    delta = process_cache.of(READER_DELTAS).get(workspace)
    if delta is None or (delta.compacted_to, delta.last_entry) != (compacted_to, last):
        return None
    return delta


async def get_delta(tenant: Tenant, state: WorkspaceState) -> LogDelta:
    """Return the delta of the state that a transaction sees, from the process cache if possible."""
    if (delta := cached_delta_of_state(tenant, state)) is not None:
        return delta
    # A delta built in a write transaction may be rolled back, so it is extended only if the log still
    # contains its last row.
    transaction, workspace = tenant.transaction, tenant.workspace
    cache = transaction.process_cache.of(WRITER_DELTAS if transaction.may_write else READER_DELTAS)
    delta = await load_delta(tenant, state, find_newest_base(tenant, state))
    if transaction.may_write or _is_newer(delta, cache.get(workspace)):
        cache.put(workspace, delta)
    return delta


def find_newest_base(tenant: Tenant, state: WorkspaceState) -> LogDelta | None:
    """Return the newest cached delta that may be extended to a state; readers use none of writers."""
    cache, workspace = tenant.transaction.process_cache, tenant.workspace
    slots = (WRITER_DELTAS, READER_DELTAS) if tenant.transaction.may_write else (READER_DELTAS,)
    cached = (cache.of(slot).get(workspace) for slot in slots)
    bases = [
        delta
        for delta in cached
        if delta is not None
        and delta.compacted_to == state.compacted_to
        and delta.last_entry <= state.last_entry
    ]
    return max(bases, key=lambda delta: delta.last_entry, default=None)


async def _can_extend(tenant: Tenant, base: LogDelta, state: WorkspaceState) -> bool:
    """Tell whether a delta can be extended to a state."""
    if base.compacted_to != state.compacted_to or base.last_entry > state.last_entry:
        return False
    if base.fingerprint is None or not tenant.transaction.may_write:
        return True
    return await log.has_row(tenant, base.last_entry, base.fingerprint)


async def load_delta(tenant: Tenant, state: WorkspaceState, base: LogDelta | None) -> LogDelta:
    """Load the delta of a state, reading only the rows after the base delta if that can be extended."""
    if base is None or not await _can_extend(tenant, base, state):
        base = LogDelta(state.compacted_to, state.compacted_to)
    rows = await log.load_between(tenant, base.last_entry, state.last_entry)
    size = sum(len(row.changes) for row in rows) // _CHANGES_OF_A_STEP
    return await compute_off_loop(tenant, size, partial(base.with_rows, rows, state.last_entry))


def clear_cache(transaction: Transaction) -> None:
    """Evict the cached deltas of this process, so that logs are read again."""
    for slot in (READER_DELTAS, WRITER_DELTAS):
        transaction.process_cache.of(slot).clear()


def _is_newer(delta: LogDelta, cached: LogDelta | None) -> bool:
    return cached is None or (cached.compacted_to, cached.last_entry) < (delta.compacted_to, delta.last_entry)


async def load_page_keys(tenant: Tenant, segment: int, window: Window, changes: LogDelta) -> list[int]:
    """Return the keys of a window of the members, newest first; read only the chunks in the window.

    Measured on SQLite, 1M contacts: 0.23 ms at offset 500,000, against 12.7 ms with a row for each member.
    """
    sizes, loaded = await chunks.load_sizes(tenant, segment)
    counts = changes.count_by_chunk(segment, sizes)
    page: list[int] = []
    skip = window.offset
    for chunk in sorted(counts, reverse=True):
        if skip >= counts[chunk]:
            skip -= counts[chunk]
            continue
        if chunk in sizes and chunk not in loaded:
            loaded[chunk] = await chunks.load_chunk(tenant, segment, chunk)
        stored = loaded.get(chunk, BitMap())
        page += newest_keys(changes.apply_to_chunk(segment, stored, chunk), skip, window.limit - len(page))
        skip = 0
        if len(page) == window.limit:
            break
    return page


def newest_keys(keys: BitMap, offset: int, limit: int) -> list[int]:
    """Return a window of keys, newest first."""
    end = max(0, len(keys) - offset)
    return list(keys[max(0, end - limit) : end])[::-1]
