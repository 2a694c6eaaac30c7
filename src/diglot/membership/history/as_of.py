"""Memberships as of an entry of the log, and the last entry about one contact in a segment.

Starting at the chunks, changes after the entry are undone, the newest first: whole log sums (the net change
of one compaction) as long as they begin after the entry, then single log rows of the sum that spans it. No
contact is read.
"""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from pyroaring import BitMap

from diglot.caches import CacheSlot, SharedCache
from diglot.membership import store
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment
from diglot.storage.membership import chunks, deleted_contacts, log, log_sums
from diglot.storage.membership.chunks import weigh_keys
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

_CacheKey = tuple[int, int, int]
# Member sets that a process caches, because clients read them page by page.
_CACHE: Final = CacheSlot[SharedCache[_CacheKey, BitMap]](
    "members as of", 0.0625, lambda size: SharedCache(size, lambda _, members: weigh_keys(members))
)


class PastMembers(msgspec.Struct, frozen=True):
    """The keys of a segment's members at an entry of the log, and of those that are deleted now."""

    segment: Segment
    entry: int
    members: BitMap
    deleted: BitMap


async def load_past_members(
    tenant: Tenant, segment: Segment, entry: int, state: WorkspaceState
) -> PastMembers:
    """Return the members of a segment at an entry within the history."""
    members = await load_members(tenant, segment.number, entry, state)
    current_members = await store.load_members(tenant, segment.number, state)
    # The stored members of a pending segment may include deleted contacts.
    missing = members if segment.members is None else members - current_members
    deleted = await deleted_contacts.find_among(tenant, missing)
    return PastMembers(segment, entry, members, deleted)


async def load_members(tenant: Tenant, segment: int, entry: int, state: WorkspaceState) -> BitMap:
    """Return the keys of the members at an entry within the history, including contacts deleted since."""
    cache = tenant.transaction.process_cache.of(_CACHE)
    key = tenant.workspace, segment, entry
    members = cache.get(key)
    if members is None:
        members = await _rewind_members(tenant, segment, entry, state)
        # A write transaction may be rolled back.
        if not tenant.transaction.may_write:
            cache.put(key, members)
    return members


async def _rewind_members(tenant: Tenant, segment: int, entry: int, state: WorkspaceState) -> BitMap:
    members = await chunks.load_all(tenant, segment)
    has_sums = False
    async for last, net in log_sums.iterate_backwards(tenant, segment, entry):
        has_sums = True
        if net.first_entry > entry:
            members = (members - net.entered) | net.left
        else:
            await _undo_changes(tenant, segment, members, entry, last)
    if has_sums:
        return members
    changes = await store.get_delta(tenant, state)
    recent = changes.net_changes.get(segment)
    if recent is not None:
        members = (members - recent.left) | recent.entered
        await _undo_changes(tenant, segment, members, max(entry, recent.first_entry - 1), state.last_entry)
    return members


async def _undo_changes(tenant: Tenant, segment: int, members: BitMap, after: int, until: int) -> None:
    """Undo on `members` the changes with entries after one, up to another."""
    async for row in log.iterate_backwards(tenant, after, until):
        for change in row.changes_of(segment, after, until):
            change.undo_on(members)


async def find_last_change(
    tenant: Tenant, segment: int, pk: int, state: WorkspaceState
) -> tuple[ChangeOrigin, bool] | None:
    """Return the origin of the last change of a contact in a segment, and whether it entered.

    None if the history has no such change.
    """
    async for after, until in _iterate_spans_mentioning(tenant, segment, pk, state):
        async for row in log.iterate_backwards(tenant, after, until):
            for change in row.changes_of(segment, after, until):
                if pk in change.entered or pk in change.left:
                    return row.origin, pk in change.entered
    return None


async def _iterate_spans_mentioning(
    tenant: Tenant, segment: int, pk: int, state: WorkspaceState
) -> AsyncIterator[tuple[int, int]]:
    """Yield the spans of entries (after, until) that mention a contact, the newest first."""
    changes = await store.get_delta(tenant, state)
    net = changes.net_changes.get(segment)
    if net is not None and net.mentions(pk):
        yield net.first_entry - 1, state.last_entry
    async for last, net_change in log_sums.iterate_backwards(tenant, segment, state.history_entry):
        if net_change.mentions(pk):
            yield max(net_change.first_entry - 1, state.history_entry), last
