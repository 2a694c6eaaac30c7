"""What is on its way to webhooks: whose turn it is, how it went, when to try again.

One process at a time sends to a webhook: it holds a lease in the webhook's row, and sends in the order in
which things happened. A process that dies leaves its lease, and another goes on when it has run out; what
was sent but not yet noted is then sent again.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.model.webhooks import Attempt, Delivery, WaitingWebhook, Webhook
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.webhooks import deliveries, webhooks
from diglot.storage.write_unit import WriteUnit, open_unit
from diglot.webhooks import retry_after

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
# The vendor's page: up to five retries over 24 hours. About 1 min, 6 min, 34 min, 3.3 h and 19 h apart.
MAX_RETRIES: Final = 5
_FIRST_RETRY_DELAY: Final = 60 * SECOND
_DELAY_GROWTH: Final = 5.8
# Delays are shortened by up to this share, so that what failed together does not come back together.
_JITTER: Final = 0.2
GIVE_UP_AFTER: Final = 24 * HOUR
# A receiver that does not answer is left alone, but asked at least so often while there is something to send.
MAX_PAUSE: Final = HOUR
LEASE_DURATION: Final = 90 * SECOND
BATCH_SIZE: Final = 20
RETENTION_PERIOD: Final = 30 * 24 * HOUR
STATUS_GONE: Final = 410
# Answers that ask to be left alone with all that there is to send, as long as `Retry-After` says.
BUSY_STATUSES: Final = (429, 503)


@dataclass(frozen=True, slots=True)
class LeasedDeliveries:
    """Deliveries to send one after another while the lease holds."""

    workspace: int
    webhook: Webhook
    leased_until: int
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The use cases of whoever delivers; `chance` is a number from 0 to 1, new each time."""

    engine: Engine
    clock: Clock = system_clock
    random: Callable[[], float] = random.random

    async def list_waiting(self) -> Sequence[WaitingWebhook]:
        """Return the webhooks that have something on its way, and when it may be sent."""
        return await self.engine.read(webhooks.list_waiting)

    async def lease_due(self, workspace: int, number: int, leased_until: int = 0) -> LeasedDeliveries | None:
        """Lease a webhook, or keep one's lease of it, and return what is due; None when there is nothing."""

        async def work(transaction: Transaction) -> LeasedDeliveries | None:
            now = self.clock()
            until = now + LEASE_DURATION
            if not await webhooks.lease(
                transaction, workspace, number, now=now, leased_until=leased_until, until=until
            ):
                return None
            items = await deliveries.load_due(transaction, workspace, number, now, BATCH_SIZE)
            webhook = await webhooks.find_by_number(transaction, workspace, number)
            if not items or webhook is None:
                await webhooks.release(transaction, workspace, number, until, None)
                return None
            return LeasedDeliveries(workspace, webhook, until, items)

        return await self.engine.write(work)

    async def release_lease(self, batch: LeasedDeliveries) -> None:
        """Give up a lease."""
        place = (batch.workspace, batch.webhook.number)
        await self.engine.write(lambda tx: webhooks.release(tx, *place, batch.leased_until, None))

    async def record_attempt(self, batch: LeasedDeliveries, delivery: Delivery, attempt: Attempt) -> bool:
        """Note how an attempt went; tell whether the next may follow, to a webhook that is the same still."""
        now = self.clock()
        asked = retry_after.parse(attempt.retry_after, now) if attempt.status in BUSY_STATUSES else 0
        after = self._apply_attempt(delivery, attempt, now, asked)
        gone = attempt.status == STATUS_GONE
        silent = attempt.unreachable

        async def work(transaction: Transaction) -> bool:
            if gone or silent or asked:
                async with open_unit(transaction, batch.workspace, self.clock) as unit:
                    await deliveries.record_attempt(transaction, batch.workspace, after)
                    if gone:
                        await self._deactivate(unit, batch)
                    if silent:
                        await self._back_off(transaction, batch, after)
                    if asked:
                        place = (batch.workspace, batch.webhook.number)
                        await webhooks.release(transaction, *place, batch.leased_until, now + asked)
            else:
                await deliveries.record_attempt(transaction, batch.workspace, after)
            stored = await webhooks.find_by_number(transaction, batch.workspace, batch.webhook.number)
            return stored == batch.webhook

        same = await self.engine.write(work)
        return same and not gone and not silent and not asked

    async def purge_ended(self) -> None:
        """Forget deliveries that ended long ago."""
        before = self.clock() - RETENTION_PERIOD
        for workspace in await self.engine.read(webhooks.list_workspaces_with_webhooks):
            some = partial(deliveries.purge, workspace=workspace, before=before)
            while await self.engine.write(some):
                pass

    def _apply_attempt(self, delivery: Delivery, attempt: Attempt, now: int, asked: int) -> Delivery:
        attempts = delivery.attempts + 1
        again = not attempt.was_accepted and attempts <= MAX_RETRIES and attempt.status != STATUS_GONE
        return replace(
            delivery,
            attempts=attempts,
            due_at=now + max(self._retry_delay(attempts), asked) if again else None,
            delivered_at=now if attempt.was_accepted else None,
            last_status=attempt.status,
            last_error=attempt.error,
            last_response=attempt.response,
        )

    def _retry_delay(self, attempts: int) -> int:
        shortened = 1 - _JITTER * self.random()
        return round(_FIRST_RETRY_DELAY * _DELAY_GROWTH ** (attempts - 1) * shortened)

    async def _deactivate(self, unit: WriteUnit, batch: LeasedDeliveries) -> None:
        """Take a receiver at its word that it is gone for good."""
        transaction, place = unit.transaction, (batch.workspace, batch.webhook.number)
        if await webhooks.deactivate(transaction, *place, unit.now):
            unit.count_webhooks(-1)
        await deliveries.cancel(transaction, *place, "the receiver is gone (410)")
        await webhooks.release(transaction, *place, batch.leased_until, None)

    async def _back_off(self, transaction: Transaction, batch: LeasedDeliveries, after: Delivery) -> None:
        """Leave a silent receiver alone for a while; what has waited too long by then is given up."""
        place = (batch.workspace, batch.webhook.number)
        now = self.clock()
        rest = min(self._retry_delay(min(after.attempts, MAX_RETRIES)), MAX_PAUSE)
        reason = after.last_error or "no response"
        await deliveries.cancel(transaction, *place, reason, created_until=now - GIVE_UP_AFTER)
        await webhooks.release(transaction, *place, batch.leased_until, now + rest)
