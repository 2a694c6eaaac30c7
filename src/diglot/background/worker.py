"""The background task of a server process: ticks clocks and runs tasks of the shares that it holds.

Scheduled tasks run in an asyncio task of their own, so that a long one does not delay the clocks. Leases are
renewed in another one, so that no work, however slow, loses them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from diglot.background.scheduler import Scheduler
from diglot.background.share_leases import ShareLeases
from diglot.errors import Unavailable

log = logging.getLogger("diglot.background")
# The interval between looks at the clocks and for pending segments.
POLL_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 5.0


@dataclass
class BackgroundWorker:
    """Runs background work until it is stopped."""

    scheduler: Scheduler
    leases: ShareLeases
    poll_seconds: float = POLL_SECONDS
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task_loop: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Poll until `stop`."""
        await self._try(self._renew, "renew the background leases")
        renewing = asyncio.create_task(self._renew_until_stopped())
        try:
            while not self._stopping.is_set():
                await self._try(self._poll, "poll for background tasks")
                await self._pause(self.poll_seconds)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})

    async def stop(self, running: asyncio.Task[None]) -> None:
        """Stop after the step in progress, or cancel it if it takes too long."""
        self._stopping.set()
        tasks = {running} if self._task_loop is None else {running, self._task_loop}
        _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        await self._try(self._release, "release the background leases; they will expire")

    async def _try(self, function: Callable[[], Awaitable[None]], purpose: str) -> None:
        try:
            await function()
        except Unavailable:
            pass  # the engine has logged it
        except Exception:
            log.exception("cannot %s", purpose)

    async def _release(self) -> None:
        """Release the leases; those that cannot be released in time will expire."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self.leases.release()

    async def _renew(self) -> None:
        await self.leases.renew(lambda: self.scheduler.share_in_use)

    async def _renew_until_stopped(self) -> None:
        while not self._stopping.is_set():
            await self._pause(self.poll_seconds)
            await self._try(self._renew, "renew the background leases")

    async def _poll(self) -> None:
        await self.scheduler.advance_clocks()
        idle = self._task_loop is None or self._task_loop.done()
        if self.leases.held() and idle and not self._stopping.is_set():
            self._task_loop = asyncio.create_task(self._run_tasks())

    async def _run_tasks(self) -> None:
        """Run tasks while there are any."""
        while self.leases.held() and not self._stopping.is_set():
            began = time.monotonic()
            try:
                pause_ratio = await self.scheduler.run_next_step()
            except Unavailable:
                return
            except Exception:
                log.exception("cannot fetch the next background task")
                return
            if pause_ratio is None:
                return
            await self._pause(pause_ratio * (time.monotonic() - began))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def work_in_background(scheduler: Scheduler, leases: ShareLeases) -> AsyncIterator[None]:
    """Run the tasks of a scheduler in the shares of a process until the end of the block."""
    worker = BackgroundWorker(scheduler, leases)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop(running)
