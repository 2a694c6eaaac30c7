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
from diglot.membership.active_segments import get_active_segments
from diglot.membership.writer import load_active_segments
from diglot.storage import workspaces
from diglot.storage.background import due_work
from diglot.storage.background.due_work import LongLog
from diglot.storage.membership import instant_index, log_expiry
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.write_unit import WriteUnit, open_unit

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
# A log that grew no more for so long is folded when it has reached a part of where writes would fold it;
# after an hour, which makes folding seldom enough, when it has reached a part of the least such length.
QUIET_PERIOD: Final = 60 * SECOND
IDLE_PERIOD: Final = 3_600 * SECOND
_EARLY_COMPACTION_DIVISOR: Final = 4


@dataclass(frozen=True, slots=True)
class Retention:
    """Forgets what is older than `days`."""

    engine: Engine
    history_days: int
    clock: Clock = system_clock

    async def find_long_logs(self) -> Sequence[int]:
        """Return the workspaces whose log a new process would read long, and that nobody writes to now."""
        at_least, now = store.COMPACT_AT // _EARLY_COMPACTION_DIVISOR, self.clock()

        async def work(transaction: Transaction) -> Sequence[int]:
            found = await due_work.list_long_logs(transaction, at_least, now - QUIET_PERIOD)
            return [
                one.workspace
                for one in found
                if one.last_change_at <= now - IDLE_PERIOD or await _log_is_long(transaction, one)
            ]

        return await self.engine.read(work)

    async def compact(self, workspace: int) -> None:
        """Fold the log of a workspace."""
        await self._write(workspace, _compact_log)

    async def expire_batch(self, workspace: int) -> bool:
        """Forget some of what is too old in a workspace; return whether there may be more."""
        before = self.clock() - self.history_days * DAY
        steps = (
            (partial(_has_expired_log, before=before), partial(_delete_expired_log, before=before)),
            (
                partial(_has_purgeable_contacts, before=before),
                partial(_purge_deleted_contacts, before=before),
            ),
            (_has_unused_index, _purge_unused_index),
        )
        for is_needed, step in steps:
            if await self.engine.read(partial(is_needed, workspace=workspace)):
                await self._write(workspace, step)
                return True
        return False

    async def _write(self, workspace: int, step: Callable[[WriteUnit], Awaitable[None]]) -> None:
        async def work(transaction: Transaction) -> None:
            async with open_unit(transaction, workspace, self.clock) as unit:
                await step(unit)

        await self.engine.write(work)


async def _log_is_long(transaction: Transaction, one: LongLog) -> bool:
    state = await workspaces.load_state(transaction, one.workspace)
    known = await get_active_segments(transaction, one.workspace, state.segments_version, state.zone)
    return one.uncompacted >= store.compaction_threshold(known, one.next_pk) // _EARLY_COMPACTION_DIVISOR


async def _compact_log(unit: WriteUnit) -> None:
    await store.compact_log(unit, await load_active_segments(unit))


async def _has_expired_log(transaction: Transaction, workspace: int, before: int) -> bool:
    first = await log_expiry.load_oldest_rows(transaction, workspace, limit=1)
    return bool(first) and first[0].happened_at < before


async def _delete_expired_log(unit: WriteUnit, before: int) -> None:
    """Fold what is old, then forget it and the sums that end with it."""
    rows = await log_expiry.load_oldest_rows(unit.transaction, unit.workspace)
    old = list(takewhile(lambda row: row.happened_at < before, rows))
    if not old:
        return
    if old[-1].last_entry > unit.row.compacted_entry:
        await _compact_log(unit)
    await log_expiry.expire_log(unit, old[-1])


async def _has_purgeable_contacts(transaction: Transaction, workspace: int, before: int) -> bool:
    return bool(await _find_purgeable_contacts(transaction, workspace, before))


async def _purge_deleted_contacts(unit: WriteUnit, before: int) -> None:
    pks = await _find_purgeable_contacts(unit.transaction, unit.workspace, before)
    if pks:
        await log_expiry.purge_deleted_contacts(unit.transaction, unit.workspace, pks)


async def _find_purgeable_contacts(transaction: Transaction, workspace: int, before: int) -> Sequence[int]:
    """Return some deleted contacts that the log cannot name: it begins later, and nobody waits to leave.

    A segment that is still to be evaluated under another condition holds whoever it held before.
    """
    if await due_work.has_pending_segments(transaction, workspace):
        return []
    first = await log_expiry.load_oldest_rows(transaction, workspace, limit=1)
    begins = min([before, *(row.happened_at for row in first)])
    return await log_expiry.load_deleted_contacts(transaction, workspace, begins)


async def _has_unused_index(transaction: Transaction, workspace: int) -> bool:
    return await instant_index.find_dropped_field(transaction, workspace) is not None


async def _purge_unused_index(unit: WriteUnit) -> None:
    await instant_index.purge_dropped(unit.transaction, unit.workspace)
