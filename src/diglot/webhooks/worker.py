"""The task of a server process that delivers: sleeps until something is due, then sends.

Receivers are served side by side, so that one that is slow or silent holds up nobody else; each gets its
events one after another. After a while a busy receiver gives its place to the next.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from diglot.clock import Clock
from diglot.model.webhooks import Attempt, Delivery, WaitingWebhook, Webhook, WebhookMessage
from diglot.storage.sql.engine import Engine
from diglot.webhooks.allowed_targets import AllowedTargets
from diglot.webhooks.deliveries import Deliveries, LeasedDeliveries
from diglot.webhooks.sender import Sender

if TYPE_CHECKING:
    from diglot.webhooks.connection import Connection

log = logging.getLogger("diglot.webhooks")
# Receivers served at one time by a process.
MAX_CONCURRENT_TURNS: Final = 64
# How long one receiver keeps its place while it takes what it is sent; well within the lease.
TURN_SECONDS: Final = 30.0
# Other processes tell nothing of what they wrote or left behind: so often is looked.
POLL_SECONDS: Final = 15.0
# Writes come in crowds: one look for all of them.
_DEBOUNCE_SECONDS: Final = 0.01
_PURGE_SECONDS: Final = 3_600.0
_STOP_SECONDS: Final = 5.0
WebhookKey = tuple[int, int]
RenderMessage = Callable[[Webhook, Delivery, int], WebhookMessage]


@dataclass
class DeliveryWorker:
    """Delivers what the outbox holds. `write` makes the message of a delivery at an instant."""

    deliveries: Deliveries
    sender: Sender
    render_message: RenderMessage
    poll_seconds: float = POLL_SECONDS
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: dict[WebhookKey, asyncio.Task[None]] = field(default_factory=dict)
    _last_turns: dict[WebhookKey, float] = field(default_factory=dict)
    _stopping: bool = False
    _last_purge: float = field(default_factory=time.monotonic)

    def wake(self) -> None:
        """Look now: something was written."""
        self._wake_event.set()

    async def run(self) -> None:
        """Deliver until `stop`."""
        while not self._stopping:
            self._wake_event.clear()
            try:
                pause = await self._start_due_turns()
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
        """End after what is being sent now, or without it when that takes long."""
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
        """Start a turn for each receiver for which something is due; return how long nothing else is."""
        if time.monotonic() - self._last_purge > _PURGE_SECONDS:
            self._last_purge = time.monotonic()
            await self.deliveries.purge_ended()
        now = self.deliveries.clock()
        waiting = {(one.workspace, one.webhook): one for one in await self.deliveries.list_waiting()}
        # Whoever had a turn is behind who had none for longer.
        self._last_turns = {place: turn for place, turn in self._last_turns.items() if place in waiting}
        idle = [waiting[place] for place in sorted(waiting, key=self._turn_order) if place not in self._turns]
        for one in idle:
            if one.due_at <= now and len(self._turns) < MAX_CONCURRENT_TURNS:
                self._start_turn(one)
        later = [one.due_at - now for one in idle if one.due_at > now]
        return min([self.poll_seconds, *(microseconds / 1_000_000 for microseconds in later)])

    def _turn_order(self, place: WebhookKey) -> float:
        return self._last_turns.get(place, 0.0)

    def _start_turn(self, one: WaitingWebhook) -> None:
        place = (one.workspace, one.webhook)
        self._last_turns[place] = time.monotonic()
        turn = asyncio.create_task(self._run_turn(place))
        self._turns[place] = turn
        turn.add_done_callback(lambda _: self._end_turn(place))

    def _end_turn(self, place: WebhookKey) -> None:
        del self._turns[place]
        self.wake()

    async def _run_turn(self, place: WebhookKey) -> None:
        """Serve one receiver; where that fails for a fault of ours, not again at once."""
        try:
            await self._serve_webhook(place)
        except Exception:
            log.exception("cannot deliver to webhook %d of workspace %d", place[1], place[0])
            await asyncio.sleep(self.poll_seconds)

    async def _serve_webhook(self, place: WebhookKey) -> None:
        """Send to one receiver until nothing is due, it fails, or its time is over."""
        ends = time.monotonic() + TURN_SECONDS
        batch = await self.deliveries.lease_due(*place)
        try:
            while batch is not None and await self._send_batch(batch, ends):
                batch = await self.deliveries.lease_due(*place, batch.leased_until)
        finally:
            if batch is not None:
                await self._release_lease(batch)

    async def _release_lease(self, batch: LeasedDeliveries) -> None:
        try:
            await self.deliveries.release_lease(batch)
        except Exception:
            log.exception("cannot release the webhook lease; it will expire")

    async def _send_batch(self, batch: LeasedDeliveries, ends: float) -> bool:
        """Send a batch in its order; return whether there is time for another."""
        async with self.sender.open_connection() as connection:
            for delivery in batch.deliveries:
                if self._stopping:
                    return False
                attempt = await self._send_delivery(connection, batch.webhook, delivery)
                goes_on = await self.deliveries.record_attempt(batch, delivery, attempt)
                if not goes_on or time.monotonic() > ends:
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
    engine: Engine, clock: Clock, targets: AllowedTargets, render_message: RenderMessage
) -> AsyncIterator[None]:
    """Deliver what the outbox of a database holds until the end of the block."""
    worker = DeliveryWorker(Deliveries(engine, clock), Sender(targets), render_message)
    engine.on_commit(worker.wake)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop(running)
