"""Who was a member of a segment at an entry of the log, and what the log says last of one contact.

What is stored is taken back, change by change: sums of foldings where they lie after the entry, rows of the
log where a folding covers it. No contact is read.
"""

from collections.abc import AsyncIterator
from typing import Final

from pyroaring import BitMap

from diglot.caches import CacheSlot, SharedCache
from diglot.membership import store
from diglot.model.membership_changes import ChangeOrigin
from diglot.storage.membership import chunks, log, log_sums
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import WorkspaceState

# What a process remembers, for walks from page to page.
_MAX_CACHED: Final = 8
_CacheKey = tuple[int, int, int]
_CACHE: Final = CacheSlot[SharedCache[_CacheKey, BitMap]]("members as of", lambda: SharedCache(_MAX_CACHED))


async def load_members(
    transaction: Transaction, workspace: int, segment: int, entry: int, state: WorkspaceState
) -> BitMap:
    """Return the keys of the members at an entry within the history, those deleted since included."""
    known = transaction.process_cache.of(_CACHE)
    key = workspace, segment, entry
    found = known.get(key)
    if found is None:
        found = await _rewind_members(transaction, workspace, segment, entry, state)
        # What a transaction that writes sees may be undone.
        if not transaction.may_write:
            known.put(key, found)
    return found


async def _rewind_members(
    transaction: Transaction, workspace: int, segment: int, entry: int, state: WorkspaceState
) -> BitMap:
    held = await chunks.load_all(transaction, workspace, segment)
    is_folded = False
    async for last, net in log_sums.iterate_backwards(transaction, workspace, segment, entry):
        is_folded = True
        if net.first_entry > entry:
            held = (held - net.entered) | net.left
        else:
            await _undo_changes(transaction, workspace, segment, held, entry, last)
    if is_folded:
        return held
    changes = await store.get_delta(transaction, workspace, state)
    since = changes.net_changes.get(segment)
    if since is not None:
        held = (held - since.left) | since.entered
        await _undo_changes(
            transaction, workspace, segment, held, max(entry, since.first_entry - 1), state.last_entry
        )
    return held


async def _undo_changes(  # noqa: PLR0913, PLR0917 - whose members, and which entries
    transaction: Transaction, workspace: int, segment: int, held: BitMap, after: int, until: int
) -> None:
    """Take back in `held` what has numbers after one up to another."""
    async for row in log.iterate_backwards(transaction, workspace, after, until):
        for change in row.changes_of(segment, after, until):
            change.undo_on(held)


async def find_last_change(
    transaction: Transaction, workspace: int, segment: int, pk: int, state: WorkspaceState
) -> tuple[ChangeOrigin, bool] | None:
    """Return when and why a contact entered or left a segment last, and whether it entered.

    None where the history does not say.
    """
    async for after, until in _iterate_spans_mentioning(transaction, workspace, segment, pk, state):
        async for row in log.iterate_backwards(transaction, workspace, after, until):
            for change in row.changes_of(segment, after, until):
                if pk in change.entered or pk in change.left:
                    return row.origin, pk in change.entered
    return None


async def _iterate_spans_mentioning(
    transaction: Transaction, workspace: int, segment: int, pk: int, state: WorkspaceState
) -> AsyncIterator[tuple[int, int]]:
    """Yield the spans of entries that name a contact: after which and until which, the last first."""
    changes = await store.get_delta(transaction, workspace, state)
    net = changes.net_changes.get(segment)
    if net is not None and net.mentions(pk):
        yield net.first_entry - 1, state.last_entry
    async for last, folded in log_sums.iterate_backwards(
        transaction, workspace, segment, state.history_entry
    ):
        if folded.mentions(pk):
            yield max(folded.first_entry - 1, state.history_entry), last
