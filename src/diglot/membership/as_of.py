"""Who was a member of a segment at an entry of the log, and what the log says last of one contact.

What is stored is taken back, change by change: sums of foldings where they lie after the entry, rows of the
log where a folding covers it. No contact is read.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Final

from pyroaring import BitMap

from diglot.membership import store
from diglot.model.membership_changes import Moment
from diglot.storage.membership import chunks, log, log_sums
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import State

# What a process remembers, for walks from page to page.
_MOST_REMEMBERED: Final = 8
_REMEMBERED: Final = "members as of"
_Key = tuple[int, int, int]


async def members(transaction: Transaction, workspace: int, segment: int, entry: int, state: State) -> BitMap:
    """Return the keys of the members at an entry within the history, those deleted since included."""
    known: OrderedDict[_Key, BitMap] = transaction.memory.setdefault(_REMEMBERED, OrderedDict())
    key = workspace, segment, entry
    found = known.get(key)
    if found is None:
        found = await _taken_back(transaction, workspace, segment, entry, state)
        # What a transaction that writes sees may be undone.
        if not transaction.writes:
            _remember(known, key, found)
    return found


def _remember(known: OrderedDict[_Key, BitMap], key: _Key, found: BitMap) -> None:
    known[key] = found
    while len(known) > _MOST_REMEMBERED:
        try:
            known.popitem(last=False)
        except KeyError:  # another thread emptied it
            return


async def _taken_back(
    transaction: Transaction, workspace: int, segment: int, entry: int, state: State
) -> BitMap:
    held = await chunks.every(transaction, workspace, segment)
    is_folded = False
    async for last, net in log_sums.backwards(transaction, workspace, segment, entry):
        is_folded = True
        if net.first > entry:
            held = (held - net.entered) | net.left
        else:
            await _undo(transaction, workspace, segment, held, entry, last)
    if is_folded:
        return held
    changes = await store.overlay(transaction, workspace, state)
    since = changes.nets.get(segment)
    if since is not None:
        held = (held - since.left) | since.entered
        await _undo(transaction, workspace, segment, held, max(entry, since.first - 1), state.logged)
    return held


async def _undo(  # noqa: PLR0913, PLR0917 - whose members, and which entries
    transaction: Transaction, workspace: int, segment: int, held: BitMap, after: int, until: int
) -> None:
    """Take back in `held` what has numbers after one up to another."""
    async for row in log.backwards(transaction, workspace, after, until):
        for change in row.of(segment, after, until):
            change.undo(held)


async def last_change(
    transaction: Transaction, workspace: int, segment: int, pk: int, state: State
) -> tuple[Moment, bool] | None:
    """Return when and why a contact entered or left a segment last, and whether it entered.

    None where the history does not say.
    """
    async for after, until in _naming(transaction, workspace, segment, pk, state):
        async for row in log.backwards(transaction, workspace, after, until):
            for change in row.of(segment, after, until):
                if pk in change.entered or pk in change.left:
                    return row.moment, pk in change.entered
    return None


async def _naming(
    transaction: Transaction, workspace: int, segment: int, pk: int, state: State
) -> AsyncIterator[tuple[int, int]]:
    """Yield the spans of entries that name a contact: after which and until which, the last first."""
    changes = await store.overlay(transaction, workspace, state)
    net = changes.nets.get(segment)
    if net is not None and net.names(pk):
        yield net.first - 1, state.logged
    async for last, folded in log_sums.backwards(transaction, workspace, segment, state.history_entry):
        if folded.names(pk):
            yield max(folded.first - 1, state.history_entry), last
