"""Deletes what is past its retention and compacts idle logs, in small transactions in the background.

A row of the log that is not compacted into the chunks is needed to read memberships, so it is compacted
before it is deleted.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.membership import compaction
from diglot.membership.active_segments import get_active_segments
from diglot.membership.writer import load_active_segments, open_writer
from diglot.storage import workspaces
from diglot.storage.access import idempotent_responses
from diglot.storage.audience import event_expiry
from diglot.storage.background import due_work
from diglot.storage.background.due_work import LongLog
from diglot.storage.imports import jobs
from diglot.storage.membership import instant_index, log_expiry
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sweeps import EVERYWHERE, Scope
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.webhooks import deliveries
from diglot.storage.write_unit import WriteUnit, lock_workspace

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
# A log without new rows for this long is compacted at a fraction of the length at which writes compact it.
# After an hour it is compacted at a fraction of the minimum length; compaction is then rare enough.
QUIET_PERIOD: Final = 60 * SECOND
IDLE_PERIOD: Final = HOUR
_EARLY_COMPACTION_DIVISOR: Final = 4
_Check = Callable[[Tenant], Awaitable[bool]]
_Step = Callable[[WriteUnit], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes what is over: history older than `history_days`, events, deliveries, responses and imports."""

    engine: Engine
    history_days: int
    clock: Clock = system_clock

    async def find_long_logs(self, transaction: Transaction, scope: Scope = EVERYWHERE) -> Sequence[int]:
        """Return the workspaces whose log is slow to load for a new process, and that are idle."""
        return await _find_long_logs(transaction, scope, self.clock())

    async def compact(self, workspace: int) -> None:
        """Compact the log of a workspace."""
        await self.engine.write(lock_workspace(workspace, self.clock, _compact_log))

    async def expire_batch(self, workspace: int) -> bool:
        """Delete some of what a workspace no longer needs; return whether there may be more."""
        find_step = partial(_find_step, now=self.clock(), history_days=self.history_days)
        step = await self.engine.read(bind_workspace(workspace, find_step))
        if step is not None:
            await self.engine.write(lock_workspace(workspace, self.clock, step))
        return step is not None


async def _find_step(tenant: Tenant, now: int, history_days: int) -> _Step | None:
    """Return the first step that a workspace needs."""
    history = now - history_days * DAY
    delivered = now - deliveries.RETENTION_PERIOD
    stored = now - idempotent_responses.KEY_TTL_SECONDS * SECOND
    steps: tuple[tuple[_Check, _Step], ...] = (
        (partial(_has_expired_log, before=history), partial(_delete_expired_log, before=history)),
        (partial(_has_purgeable_contacts, before=history), partial(_purge_deleted_contacts, before=history)),
        (_has_unused_index, _purge_unused_index),
        (partial(_is_floor_low, now=now), _raise_event_floor),
        (_has_expired_events, _delete_expired_events),
        (_has_expired_instants, _purge_expired_instants),
        (partial(deliveries.has_ended, before=delivered), partial(deliveries.purge, before=delivered)),
        (partial(_has_old_import, now=now), partial(_delete_old_import, now=now)),
        (
            partial(idempotent_responses.has_old, before=stored),
            partial(idempotent_responses.delete_old, before=stored),
        ),
    )
    for is_needed, step in steps:
        if await is_needed(tenant):
            return step
    return None


async def _find_long_logs(transaction: Transaction, scope: Scope, now: int) -> Sequence[int]:
    at_least = compaction.COMPACT_AT // _EARLY_COMPACTION_DIVISOR
    return [
        long_log.workspace
        for long_log in await due_work.list_long_logs(transaction, scope, at_least, now - QUIET_PERIOD)
        if long_log.last_change_at <= now - IDLE_PERIOD
        or await _log_is_long(Tenant(transaction, long_log.workspace), long_log)
    ]


async def _log_is_long(tenant: Tenant, long_log: LongLog) -> bool:
    state = await workspaces.load_state(tenant)
    active_segments = await get_active_segments(tenant, state.segments_version, state.zone)
    return (
        long_log.uncompacted
        >= compaction.compaction_threshold(active_segments, long_log.next_pk) // _EARLY_COMPACTION_DIVISOR
    )


async def _compact_log(unit: WriteUnit) -> None:
    await compaction.compact_log(unit, await load_active_segments(unit))


async def _has_expired_log(tenant: Tenant, before: int) -> bool:
    first = await log_expiry.load_oldest_rows(tenant, limit=1)
    return bool(first) and first[0].happened_at < before


async def _delete_expired_log(unit: WriteUnit, before: int) -> None:
    """Compact the expired rows if necessary, then delete them and the sums that end with them."""
    rows = await log_expiry.load_oldest_rows(unit)
    expired = list(takewhile(lambda row: row.happened_at < before, rows))
    if not expired:
        return
    if expired[-1].last_entry > unit.row.compacted_entry:
        await _compact_log(unit)
    await log_expiry.expire_log(unit, expired[-1])


async def _has_purgeable_contacts(tenant: Tenant, before: int) -> bool:
    return bool(await _find_purgeable_contacts(tenant, before))


async def _purge_deleted_contacts(unit: WriteUnit, before: int) -> None:
    pks = await _find_purgeable_contacts(unit, before)
    if pks:
        await log_expiry.purge_deleted_contacts(unit, pks)


async def _find_purgeable_contacts(tenant: Tenant, before: int) -> Sequence[int]:
    """Return some deleted contacts that no remaining log row mentions.

    None are returned while a segment is pending, because its old members may still have to leave.
    """
    if await due_work.has_pending_segments(tenant):
        return []
    first = await log_expiry.load_oldest_rows(tenant, limit=1)
    log_start = min([before, *(row.happened_at for row in first)])
    return await log_expiry.load_deleted_contacts(tenant, log_start)


async def _is_floor_low(tenant: Tenant, now: int) -> bool:
    kept = await event_expiry.load_retention(tenant)
    return bool(kept.days) and kept.since < event_expiry.compute_floor(kept.days, now)


async def _raise_event_floor(unit: WriteUnit) -> None:
    # The clock first: what it has not evaluated yet are windows that begin earlier.
    await open_writer(unit)
    event_expiry.raise_floor(unit)


async def _has_expired_events(tenant: Tenant) -> bool:
    kept = await event_expiry.load_retention(tenant)
    return bool(await event_expiry.find_expired(tenant, kept.since, limit=1))


async def _delete_expired_events(unit: WriteUnit) -> None:
    if numbers := await event_expiry.find_expired(unit, unit.row.events_since):
        await event_expiry.delete_until(unit, numbers[-1])


async def _has_expired_instants(tenant: Tenant) -> bool:
    kept = await event_expiry.load_retention(tenant)
    return await instant_index.find_expired_field(tenant, kept.since) is not None


async def _purge_expired_instants(unit: WriteUnit) -> None:
    since = unit.row.events_since
    if (field := await instant_index.find_expired_field(unit, since)) is not None:
        await instant_index.purge_expired(unit, field, since)


async def _has_old_import(tenant: Tenant, now: int) -> bool:
    return await jobs.find_old(tenant, now) is not None


async def _delete_old_import(unit: WriteUnit, now: int) -> None:
    if (number := await jobs.find_old(unit, now)) is not None:
        await jobs.delete_job(unit, number)


async def _has_unused_index(tenant: Tenant) -> bool:
    return await instant_index.find_dropped_field(tenant) is not None


async def _purge_unused_index(unit: WriteUnit) -> None:
    await instant_index.purge_dropped(unit)
