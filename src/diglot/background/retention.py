"""How long the history of memberships is kept, and the log short: in small transactions, in the background.

A row of the log that is not folded into the chunks is needed to read memberships, so it is folded first.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.membership import store
from diglot.membership.active_segments import live
from diglot.membership.writer import live_now
from diglot.storage import workspaces
from diglot.storage.background import due_work
from diglot.storage.background.due_work import LongLog
from diglot.storage.membership import instant_index, log_expiry
from diglot.storage.sql.engine import Engine, Transaction

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
# A log that grew no more for so long is folded when it has reached a part of where writes would fold it;
# after an hour, which makes folding seldom enough, when it has reached a part of the least such length.
QUIET: Final = 60 * SECOND
VERY_QUIET: Final = 3_600 * SECOND
_PART: Final = 4


@dataclass(frozen=True, slots=True)
class Retention:
    """Forgets what is older than `days`."""

    engine: Engine
    days: int
    clock: Clock = system_clock

    async def long_logs(self) -> Sequence[int]:
        """Return the workspaces whose log a new process would read long, and that nobody writes to now."""
        at_least, now = store.FOLD_AT // _PART, self.clock()

        async def work(transaction: Transaction) -> Sequence[int]:
            found = await due_work.long_logs(transaction, at_least, now - QUIET)
            return [
                one.workspace
                for one in found
                if one.last_at <= now - VERY_QUIET or await _is_long(transaction, one)
            ]

        return await self.engine.read(work)

    async def fold(self, workspace: int) -> None:
        """Fold the log of a workspace."""
        await self.engine.write(lambda tx: _fold(tx, workspace))

    async def expire(self, workspace: int) -> bool:
        """Forget some of what is too old in a workspace; return whether there may be more."""
        before = self.clock() - self.days * DAY
        steps = (
            (partial(_has_old_log, before=before), partial(_forget_log, before=before)),
            (partial(_has_old_departed, before=before), partial(_forget_departed, before=before)),
            (_has_unwatched, instant_index.purge),
        )
        for is_needed, step in steps:
            if await self.engine.read(partial(is_needed, workspace=workspace)):
                await self.engine.write(partial(_locked, workspace=workspace, step=step))
                return True
        return False


async def _locked(transaction: Transaction, workspace: int, step: Callable[..., Awaitable[object]]) -> None:
    await workspaces.lock(transaction, workspace, moves=False)
    await step(transaction, workspace=workspace)


async def _is_long(transaction: Transaction, one: LongLog) -> bool:
    state = await workspaces.state(transaction, one.workspace)
    known = await live(transaction, one.workspace, state.segments_version, state.zone)
    return one.changes >= store.fold_at(known, one.next_pk) // _PART


async def _fold(transaction: Transaction, workspace: int) -> None:
    locked = await workspaces.lock(transaction, workspace, moves=False)
    state = await workspaces.state(transaction, workspace)
    await store.fold(transaction, workspace, state, await live_now(transaction, workspace, locked))


async def _has_old_log(transaction: Transaction, workspace: int, before: int) -> bool:
    first = await log_expiry.oldest(transaction, workspace, limit=1)
    return bool(first) and first[0].happened_at < before


async def _forget_log(transaction: Transaction, workspace: int, before: int) -> None:
    """Fold what is old, then forget it and the sums that end with it."""
    rows = await log_expiry.oldest(transaction, workspace)
    old = list(takewhile(lambda row: row.happened_at < before, rows))
    if not old:
        return
    state = await workspaces.state(transaction, workspace)
    if old[-1].last > state.folded:
        await _fold(transaction, workspace)
    await log_expiry.forget_log(transaction, workspace, old[-1])


async def _has_old_departed(transaction: Transaction, workspace: int, before: int) -> bool:
    return bool(await _old_departed(transaction, workspace, before))


async def _forget_departed(transaction: Transaction, workspace: int, before: int) -> None:
    pks = await _old_departed(transaction, workspace, before)
    if pks:
        await log_expiry.forget_departed(transaction, workspace, pks)


async def _old_departed(transaction: Transaction, workspace: int, before: int) -> Sequence[int]:
    """Return some deleted contacts that the log cannot name: it begins later, and nobody waits to leave.

    A segment that is still to be evaluated under another condition holds whoever it held before.
    """
    if await due_work.has_pending(transaction, workspace):
        return []
    first = await log_expiry.oldest(transaction, workspace, limit=1)
    begins = min([before, *(row.happened_at for row in first)])
    return await log_expiry.departed(transaction, workspace, begins)


async def _has_unwatched(transaction: Transaction, workspace: int) -> bool:
    return await instant_index.unwatched(transaction, workspace) is not None
