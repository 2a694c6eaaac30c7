"""The task of a server process that delivers: sleeps until something is due, then sends.

Receivers are served side by side, so that one that is slow or silent holds up nobody else; each gets its
events one after another. After a while a busy receiver gives its place to the next.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from diglot.api.webhook_message import Message
from diglot.model.webhooks import Attempt, Delivery, Waiting, Webhook
from diglot.webhooks.deliveries import Batch, Deliveries
from diglot.webhooks.sender import Connection, Sender

log = logging.getLogger("diglot.delivery")
# Receivers served at one time by a process.
MOST_AT_ONCE: Final = 64
# How long one receiver keeps its place while it takes what it is sent; well within the lease.
TURN_SECONDS: Final = 30.0
# Other processes tell nothing of what they wrote or left behind: so often is looked.
IDLE_SECONDS: Final = 15.0
# Writes come in crowds: one look for all of them.
_PAUSE_SECONDS: Final = 0.01
_PURGE_SECONDS: Final = 3_600.0
_STOP_SECONDS: Final = 5.0
Place = tuple[int, int]
Write = Callable[[Webhook, Delivery, int], Message]


@dataclass
class Worker:
    """Delivers what the outbox holds. `write` makes the message of a delivery at an instant."""

    deliveries: Deliveries
    sender: Sender
    write: Write
    idle_seconds: float = IDLE_SECONDS
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: dict[Place, asyncio.Task[None]] = field(default_factory=dict)
    _served: dict[Place, float] = field(default_factory=dict)
    _stopping: bool = False
    _purged: float = field(default_factory=time.monotonic)

    def wake(self) -> None:
        """Look now: something was written."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until `stop`."""
        while not self._stopping:
            self._woken.clear()
            try:
                pause = await self._look()
            except Exception:
                log.exception("cannot look for deliveries")
                pause = self.idle_seconds
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
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

    async def _look(self) -> float:
        """Start a turn for each receiver for which something is due; return how long nothing else is."""
        if time.monotonic() - self._purged > _PURGE_SECONDS:
            self._purged = time.monotonic()
            await self.deliveries.purge()
        now = self.deliveries.clock()
        waiting = {(one.workspace, one.webhook): one for one in await self.deliveries.waiting()}
        # Whoever had a turn is behind who had none for longer.
        self._served = {place: turn for place, turn in self._served.items() if place in waiting}
        idle = [waiting[place] for place in sorted(waiting, key=self._rank) if place not in self._turns]
        for one in idle:
            if one.at <= now and len(self._turns) < MOST_AT_ONCE:
                self._start(one)
        later = [one.at - now for one in idle if one.at > now]
        return min([self.idle_seconds, *(microseconds / 1_000_000 for microseconds in later)])

    def _rank(self, place: Place) -> float:
        return self._served.get(place, 0.0)

    def _start(self, one: Waiting) -> None:
        place = (one.workspace, one.webhook)
        self._served[place] = time.monotonic()
        turn = asyncio.create_task(self._turn(place))
        self._turns[place] = turn
        turn.add_done_callback(lambda _: self._ended(place))

    def _ended(self, place: Place) -> None:
        del self._turns[place]
        self.wake()

    async def _turn(self, place: Place) -> None:
        """Serve one receiver; where that fails for a fault of ours, not again at once."""
        try:
            await self._serve(place)
        except Exception:
            log.exception("cannot deliver to webhook %d of workspace %d", place[1], place[0])
            await asyncio.sleep(self.idle_seconds)

    async def _serve(self, place: Place) -> None:
        """Send to one receiver until nothing is due, it fails, or its time is over."""
        ends = time.monotonic() + TURN_SECONDS
        batch = await self.deliveries.take(*place)
        try:
            while batch is not None and await self._send(batch, ends):
                batch = await self.deliveries.take(*place, batch.held)
        finally:
            if batch is not None:
                await self._release(batch)

    async def _release(self, batch: Batch) -> None:
        try:
            await self.deliveries.release(batch)
        except Exception:
            log.exception("cannot give up a lease; it runs out by itself")

    async def _send(self, batch: Batch, ends: float) -> bool:
        """Send a batch in its order; return whether there is time for another."""
        async with self.sender.connection() as connection:
            for delivery in batch.items:
                if self._stopping:
                    return False
                attempt = await self._attempt(connection, batch.webhook, delivery)
                goes_on = await self.deliveries.settle(batch, delivery, attempt)
                if not goes_on or time.monotonic() > ends:
                    return False
        return True

    async def _attempt(self, connection: Connection, webhook: Webhook, delivery: Delivery) -> Attempt:
        try:
            message = self.write(webhook, delivery, self.deliveries.clock())
        except Exception:
            log.exception("delivery %s cannot be written", delivery.id)
            return Attempt(None, "it cannot be written", ours=True)
        return await connection.attempt(webhook.url, message)
