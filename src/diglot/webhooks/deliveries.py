"""Leases webhooks, records attempts and schedules retries.

One process at a time sends to a webhook: it holds a lease in the webhook's row and sends in the order of the
events. If a process dies, its lease expires and another process continues. A delivery that was sent but not
recorded is then sent again, so receivers get each delivery at least once.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from diglot.clock import Clock
from diglot.model.webhooks import Attempt, Delivery, WaitingWebhook, Webhook
from diglot.storage.background.part_search import is_of_node
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.sql.engine import Engine
from diglot.storage.sweeps import LOOK_SECONDS
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.webhooks import deliveries, webhooks
from diglot.storage.write_unit import WriteUnit, lock_workspace
from diglot.webhooks import retry_after

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
# The vendor's page: up to five retries over 24 hours. About 1 min, 6 min, 34 min, 3.3 h and 19 h apart.
MAX_RETRIES: Final = 5
_FIRST_RETRY_DELAY: Final = 60 * SECOND
_DELAY_GROWTH: Final = 5.8
# Delays are shortened by a random share up to this, so that failed deliveries do not retry together.
_JITTER: Final = 0.2
GIVE_UP_AFTER: Final = 24 * HOUR
# The longest pause for an unreachable receiver that has waiting deliveries.
MAX_PAUSE: Final = HOUR
LEASE_DURATION: Final = 90 * SECOND
BATCH_SIZE: Final = 20
# The name of this kind of background work.
_WORK: Final = "deliver"
STATUS_GONE: Final = 410
# Statuses that ask to pause all deliveries to the receiver for the time in `Retry-After`.
BUSY_STATUSES: Final = (429, 503)


class LeasedDeliveries(msgspec.Struct, frozen=True):
    """Deliveries to send one after another while the lease lasts."""

    workspace: int
    webhook: Webhook
    leased_until: int
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The use cases of the delivery worker; `random` returns a number from 0 to 1."""

    sweeper: Sweeper
    random: Callable[[], float] = random.random

    @property
    def engine(self) -> Engine:
        """The database."""
        return self.sweeper.engine

    def rests(self, workspace: int) -> bool:
        """Tell whether deliveries of a workspace have to wait, because its node does not answer."""
        return self.sweeper.passes_over(_WORK, workspace)

    async def pass_over(self, workspace: int, error: Exception) -> None:
        """Pass over a workspace for a while, if an error may be one of its node."""
        if not is_of_node(error):
            return
        await self.sweeper.require_answer(error)
        await self.sweeper.pass_over(_WORK, workspace, error)

    async def divide(self, workspaces: Iterable[int]) -> Sequence[Sequence[int]]:
        """Return those of the workspaces that do not have to wait, by their nodes."""
        return await self.sweeper.divide(_WORK, workspaces)

    @property
    def clock(self) -> Clock:
        """The clock of the deliveries."""
        return self.sweeper.clock

    async def list_waiting(self) -> Sequence[WaitingWebhook]:
        """Return the webhooks with waiting deliveries in the shares of this process.

        Each has the instant at which the first may be sent.
        """
        return await self.sweeper.find(_WORK, webhooks.list_waiting)

    async def list_waiting_in_workspace(self, workspace: int) -> Sequence[WaitingWebhook]:
        """Return the webhooks of a workspace with waiting deliveries."""
        look = bind_workspace(workspace, webhooks.list_waiting_in_workspace)
        return await self.engine.read(look, seconds=LOOK_SECONDS)

    async def lease_due(self, workspace: int, number: int, leased_until: int = 0) -> LeasedDeliveries | None:
        """Lease a webhook or renew a lease, and return its due deliveries; None if there are none."""
        lease = partial(self._lease_due, number=number, leased_until=leased_until)
        return await self.engine.write(bind_workspace(workspace, lease), seconds=LOOK_SECONDS)

    async def _lease_due(self, tenant: Tenant, number: int, leased_until: int) -> LeasedDeliveries | None:
        now = self.clock()
        until = now + LEASE_DURATION
        if not await webhooks.lease(tenant, number, now=now, leased_until=leased_until, until=until):
            return None
        items = await deliveries.load_due(tenant, number, now, BATCH_SIZE)
        webhook = await webhooks.find_by_number(tenant, number) if items else None
        if webhook is None:
            await webhooks.release(tenant, number, until, None)
            return None
        return LeasedDeliveries(tenant.workspace, webhook, until, items)

    async def release_lease(self, batch: LeasedDeliveries) -> None:
        """Release a lease."""
        release = partial(_release, batch=batch, until=None)
        await self.engine.write(bind_workspace(batch.workspace, release), seconds=LOOK_SECONDS)

    async def record_attempt(self, batch: LeasedDeliveries, delivery: Delivery, attempt: Attempt) -> bool:
        """Record an attempt; return whether the next delivery may follow, to the unchanged webhook."""
        now = self.clock()
        requested_pause = (
            retry_after.parse(attempt.retry_after, now) if attempt.status in BUSY_STATUSES else 0
        )
        after = self._apply_attempt(delivery, attempt, now, requested_pause)
        is_gone = attempt.status == STATUS_GONE
        unreachable = attempt.unreachable

        async def pause(unit: WriteUnit) -> None:
            await deliveries.record_attempt(unit, after)
            if is_gone:
                await _deactivate(unit, batch)
            if unreachable:
                await self._back_off(unit, batch, after)
            if requested_pause:
                await _release(unit, batch, now + requested_pause)

        if is_gone or unreachable or requested_pause:
            pausing = lock_workspace(batch.workspace, self.clock, pause)
            await self.engine.write(pausing, seconds=LOOK_SECONDS)
            return False
        record = partial(_record_attempt, batch=batch, delivery=after)
        return await self.engine.write(bind_workspace(batch.workspace, record), seconds=LOOK_SECONDS)

    def _apply_attempt(
        self, delivery: Delivery, attempt: Attempt, now: int, requested_pause: int
    ) -> Delivery:
        attempts = delivery.attempts + 1
        retries = not attempt.was_accepted and attempts <= MAX_RETRIES and attempt.status != STATUS_GONE
        return replace(
            delivery,
            attempts=attempts,
            due_at=now + max(self._retry_delay(attempts), requested_pause) if retries else None,
            delivered_at=now if attempt.was_accepted else None,
            last_status=attempt.status,
            last_error=attempt.error,
            last_response=attempt.response,
        )

    def _retry_delay(self, attempts: int) -> int:
        shortened = 1 - _JITTER * self.random()
        return round(_FIRST_RETRY_DELAY * _DELAY_GROWTH ** (attempts - 1) * shortened)

    async def _back_off(self, unit: WriteUnit, batch: LeasedDeliveries, after: Delivery) -> None:
        """Pause an unreachable receiver, and give up deliveries that have waited too long."""
        now = self.clock()
        pause = min(self._retry_delay(min(after.attempts, MAX_RETRIES)), MAX_PAUSE)
        reason = after.last_error or "no response"
        await deliveries.cancel(unit, batch.webhook.number, reason, created_until=now - GIVE_UP_AFTER)
        await _release(unit, batch, now + pause)


async def _record_attempt(tenant: Tenant, batch: LeasedDeliveries, delivery: Delivery) -> bool:
    """Record an attempt; return whether the webhook is unchanged since it was leased."""
    await deliveries.record_attempt(tenant, delivery)
    return await webhooks.find_by_number(tenant, batch.webhook.number) == batch.webhook


async def _deactivate(unit: WriteUnit, batch: LeasedDeliveries) -> None:
    """Deactivate a webhook whose receiver answered 410 Gone (RFC 9110, section 15.5.11)."""
    number = batch.webhook.number
    if await webhooks.deactivate(unit, number, unit.now):
        unit.count_webhooks(-1)
    await deliveries.cancel(unit, number, "the receiver is gone (410)")
    await _release(unit, batch, None)


async def _release(tenant: Tenant, batch: LeasedDeliveries, until: int | None) -> None:
    await webhooks.release(tenant, batch.webhook.number, batch.leased_until, until)
