"""The delivery task of a server process: sleeps until a delivery is due, then sends.

After a write the process looks at the webhooks of its workspace. Now and then it looks at those of all
workspaces in its shares, because of deliveries that a process left when it ended.

Receivers are served concurrently, so that a slow one does not delay the others; each receives its events one
after another. A busy receiver gives up its turn after a while, so that others get one.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
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
# Processes do not notify each other of abandoned deliveries, so each looks at its shares at this interval.
POLL_SECONDS: Final = 15.0
# Writes come in bursts; this delay combines their wake-ups.
_DEBOUNCE_SECONDS: Final = 0.01
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
    # The workspaces to look at.
    _woken: set[int] = field(default_factory=set)
    # The webhooks that wait, as far as this process knows.
    _waiting: dict[WebhookKey, WaitingWebhook] = field(default_factory=dict)
    # Webhooks whose turn failed here, and until when they rest.
    _resting: dict[WebhookKey, float] = field(default_factory=dict)
    _turns: dict[WebhookKey, asyncio.Task[None]] = field(default_factory=dict)
    _last_turns: dict[WebhookKey, float] = field(default_factory=dict)
    _next_look: float = 0.0
    _stopping: bool = False

    def wake(self, workspaces: Iterable[int]) -> None:
        """Look for due deliveries of workspaces now, because some were written."""
        self._woken.update(workspaces)
        self._wake_event.set()

    def look_again(self) -> None:
        """Look at all workspaces of this process now."""
        self._next_look = 0.0
        self._wake_event.set()

    async def run(self) -> None:
        """Send deliveries until `stop`."""
        while not self._stopping:
            self._wake_event.clear()
            await self._look()
            pause = self._start_due_turns()
            await asyncio.sleep(_DEBOUNCE_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await self._wake_event.wait()
            except TimeoutError:
                continue

    async def stop(self, running: asyncio.Task[None]) -> None:
        """Stop after the messages in progress, or cancel them if they take too long."""
        self._stopping = True
        self._wake_event.set()
        tasks = {running, *self._turns.values()}
        _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        self.sender.close()

    async def _look(self) -> None:
        """Look at the workspaces where something was written, and at all of them if it is time."""
        woken, self._woken = self._woken, set()
        await self._look_at_written(woken)
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + self.poll_seconds
        found: Sequence[WaitingWebhook] = ()
        try:
            found = await self.deliveries.list_waiting()
        except Unavailable:
            pass  # the engine has logged it
        except Exception:
            log.exception("cannot read the pending deliveries")
        holds = self.deliveries.sweeper.holds
        self._waiting = {key: webhook for key, webhook in self._waiting.items() if not holds(key[0])}
        self._remember(found)
        known = self._waiting.keys() | self._turns.keys()
        self._last_turns = {key: turn for key, turn in self._last_turns.items() if key in known}

    async def _look_at_written(self, woken: Collection[int]) -> None:
        """Look at some workspaces, those of several nodes at once, because one of the nodes may hang."""
        self._waiting = {key: webhook for key, webhook in self._waiting.items() if key[0] not in woken}
        groups: Sequence[Sequence[int]] = ()
        with suppress(Unavailable):  # the engine has logged it
            groups = await self.deliveries.divide(woken)
        await asyncio.gather(*map(self._look_at_group, groups))

    async def _look_at_group(self, workspaces: Iterable[int]) -> None:
        for workspace in workspaces:
            if not self.deliveries.rests(workspace):
                await self._look_at(workspace)

    async def _look_at(self, workspace: int) -> None:
        try:
            self._remember(await self.deliveries.list_waiting_in_workspace(workspace))
        except Unavailable as error:
            await self._pass_over(workspace, error)
        except Exception as error:  # noqa: BLE001 - the other workspaces go on
            message = f"cannot read the pending deliveries of workspace {workspace}"
            self.deliveries.sweeper.warn("deliver", message, error)

    async def _pass_over(self, workspace: int, error: Unavailable) -> None:
        with suppress(Unavailable):  # the engine has logged it
            await self.deliveries.pass_over(workspace, error)

    def _remember(self, found: Iterable[WaitingWebhook]) -> None:
        self._waiting.update(((webhook.workspace, webhook.webhook), webhook) for webhook in found)

    def _start_due_turns(self) -> float:
        """Start a turn for each webhook with due deliveries; return the seconds until the next look."""
        now, started = self.deliveries.clock(), time.monotonic()
        self._resting = {key: until for key, until in self._resting.items() if until > started}
        # Serve the least recently served webhook first.
        for key in sorted(self._waiting, key=self._turn_order):
            rests = key in self._resting or self.deliveries.rests(key[0])
            is_due = self._waiting[key].due_at <= now and not rests
            if is_due and key not in self._turns and len(self._turns) < MAX_CONCURRENT_TURNS:
                del self._waiting[key]
                self._start_turn(key)
        later = [(webhook.due_at - now) / 1_000_000 for webhook in self._waiting.values()]
        ends = [until - started for until in self._resting.values()]
        self._forget_others(now)
        pauses = [pause for pause in (*later, *ends) if pause > 0]
        return max(0.0, min([self._next_look - started, *pauses]))

    def _forget_others(self, now: int) -> None:
        """Leave what is due later in shares of other processes to them."""
        latest = now + round(self.poll_seconds * 1_000_000)
        holds = self.deliveries.sweeper.holds
        self._waiting = {
            key: webhook
            for key, webhook in self._waiting.items()
            if webhook.due_at <= latest or holds(key[0])
        }

    def _turn_order(self, key: WebhookKey) -> float:
        return self._last_turns.get(key, 0.0)

    def _start_turn(self, key: WebhookKey) -> None:
        self._last_turns[key] = time.monotonic()
        turn = asyncio.create_task(self._run_turn(key))
        self._turns[key] = turn
        turn.add_done_callback(lambda _: self._end_turn(key))

    def _end_turn(self, key: WebhookKey) -> None:
        del self._turns[key]
        self.wake((key[0],))

    async def _run_turn(self, key: WebhookKey) -> None:
        """Serve one webhook; after a failure of the database or a bug in Diglot it rests for a while."""
        try:
            await self._serve_webhook(key)
        except Unavailable as error:
            self._resting[key] = time.monotonic() + self.poll_seconds
            await self._pass_over(key[0], error)
        except Exception as error:  # noqa: BLE001 - the other webhooks go on
            self._resting[key] = time.monotonic() + self.poll_seconds
            message = f"cannot deliver to webhook {key[1]} of workspace {key[0]}"
            self.deliveries.sweeper.warn("deliver", message, error)

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
    deliveries.sweeper.on_gain = worker.look_again
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop(running)
