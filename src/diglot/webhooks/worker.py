"""The delivery task of a server process: sleeps until a delivery is due, then sends.

Receivers are served concurrently, so that a slow one does not delay the others; each receives its events one
after another. A busy receiver gives up its turn after a while, so that others get one.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from diglot.errors import Unavailable
from diglot.model.webhooks import Attempt, Delivery, WaitingWebhook, Webhook, WebhookMessage
from diglot.webhooks.allowed_targets import AllowedTargets
from diglot.webhooks.deliveries import Deliveries, LeasedDeliveries
from diglot.webhooks.sender import Sender

if TYPE_CHECKING:
    from diglot.webhooks.connection import Connection

log = logging.getLogger("diglot.webhooks")
# Receivers that one process serves at the same time.
MAX_CONCURRENT_TURNS: Final = 64
# The longest turn of a receiver, well within the lease.
TURN_SECONDS: Final = 30.0
# Processes do not notify each other of new or abandoned deliveries, so each polls at this interval.
POLL_SECONDS: Final = 15.0
# Writes come in bursts; this delay combines their wake-ups.
_DEBOUNCE_SECONDS: Final = 0.01
_PURGE_SECONDS: Final = 3_600.0
_STOP_SECONDS: Final = 5.0
WebhookKey = tuple[int, int]
RenderMessage = Callable[[Webhook, Delivery, int], WebhookMessage]


@dataclass
class DeliveryWorker:
    """Sends the deliveries in the outbox.

    `render_message` returns the message of a delivery at an instant; `on_attempt` gets each attempt.
    """

    deliveries: Deliveries
    sender: Sender
    render_message: RenderMessage
    poll_seconds: float = POLL_SECONDS
    on_attempt: Callable[[Attempt], None] = lambda attempt: None
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: dict[WebhookKey, asyncio.Task[None]] = field(default_factory=dict)
    _last_turns: dict[WebhookKey, float] = field(default_factory=dict)
    _stopping: bool = False
    _last_purge: float = field(default_factory=time.monotonic)

    def wake(self) -> None:
        """Look for due deliveries now, because some were written."""
        self._wake_event.set()

    async def run(self) -> None:
        """Send deliveries until `stop`."""
        while not self._stopping:
            self._wake_event.clear()
            try:
                pause = await self._start_due_turns()
            except Unavailable:
                pause = self.poll_seconds
            except Exception:
                log.exception("cannot read the pending deliveries")
                pause = self.poll_seconds
            await asyncio.sleep(_DEBOUNCE_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await self._wake_event.wait()
            except TimeoutError:
                continue

    async def stop(self, running: asyncio.Task[None]) -> None:
        """Stop after the messages in progress, or cancel them if they take too long."""
        self._stopping = True
        self.wake()
        tasks = {running, *self._turns.values()}
        _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        self.sender.close()

    async def _start_due_turns(self) -> float:
        """Start a turn for each webhook with due deliveries; return the seconds until the next one is due."""
        if time.monotonic() - self._last_purge > _PURGE_SECONDS:
            self._last_purge = time.monotonic()
            await self.deliveries.purge_ended()
        now = self.deliveries.clock()
        waiting = {
            (webhook.workspace, webhook.webhook): webhook for webhook in await self.deliveries.list_waiting()
        }
        # Serve the least recently served webhook first.
        self._last_turns = {key: turn for key, turn in self._last_turns.items() if key in waiting}
        idle = [waiting[key] for key in sorted(waiting, key=self._turn_order) if key not in self._turns]
        for webhook in idle:
            if webhook.due_at <= now and len(self._turns) < MAX_CONCURRENT_TURNS:
                self._start_turn(webhook)
        later = [webhook.due_at - now for webhook in idle if webhook.due_at > now]
        return min([self.poll_seconds, *(microseconds / 1_000_000 for microseconds in later)])

    def _turn_order(self, key: WebhookKey) -> float:
        return self._last_turns.get(key, 0.0)

    def _start_turn(self, webhook: WaitingWebhook) -> None:
        key = (webhook.workspace, webhook.webhook)
        self._last_turns[key] = time.monotonic()
        turn = asyncio.create_task(self._run_turn(key))
        self._turns[key] = turn
        turn.add_done_callback(lambda _: self._end_turn(key))

    def _end_turn(self, key: WebhookKey) -> None:
        del self._turns[key]
        self.wake()

    async def _run_turn(self, key: WebhookKey) -> None:
        """Serve one webhook; after a bug in Diglot wait before its next turn."""
        try:
            await self._serve_webhook(key)
        except Unavailable:
            await asyncio.sleep(self.poll_seconds)
        except Exception:
            log.exception("cannot deliver to webhook %d of workspace %d", key[1], key[0])
            await asyncio.sleep(self.poll_seconds)

    async def _serve_webhook(self, key: WebhookKey) -> None:
        """Send to one webhook until nothing is due, an attempt fails, or its turn is over."""
        turn_end = time.monotonic() + TURN_SECONDS
        batch = await self.deliveries.lease_due(*key)
        try:
            while batch is not None and await self._send_batch(batch, turn_end):
                batch = await self.deliveries.lease_due(*key, batch.leased_until)
        finally:
            if batch is not None:
                await self._release_lease(batch)

    async def _release_lease(self, batch: LeasedDeliveries) -> None:
        try:
            await self.deliveries.release_lease(batch)
        except Unavailable:
            pass  # the engine has logged it, and the lease will expire
        except Exception:
            log.exception("cannot release the webhook lease; it will expire")

    async def _send_batch(self, batch: LeasedDeliveries, turn_end: float) -> bool:
        """Send a batch in order; return whether there is time for another."""
        async with self.sender.open_connection() as connection:
            for delivery in batch.deliveries:
                if self._stopping:
                    return False
                attempt = await self._send_delivery(connection, batch.webhook, delivery)
                self.on_attempt(attempt)
                continues = await self.deliveries.record_attempt(batch, delivery, attempt)
                if not continues or time.monotonic() > turn_end:
                    return False
        return True

    async def _send_delivery(self, connection: "Connection", webhook: Webhook, delivery: Delivery) -> Attempt:
        try:
            message = self.render_message(webhook, delivery, self.deliveries.clock())
        except Exception:
            log.exception("cannot render delivery %s", delivery.id)
            return Attempt(None, "internal error", internal_error=True)
        return await connection.send(webhook.url, message)


@asynccontextmanager
async def deliver_in_background(
    deliveries: Deliveries,
    targets: AllowedTargets,
    render_message: RenderMessage,
    on_attempt: Callable[[Attempt], None],
) -> AsyncIterator[None]:
    """Send the deliveries in a database's outbox until the end of the block."""
    worker = DeliveryWorker(deliveries, Sender(targets), render_message, on_attempt=on_attempt)
    deliveries.engine.on_commit(worker.wake)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop(running)
