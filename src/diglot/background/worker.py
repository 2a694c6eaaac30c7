"""The task of a server process that keeps things up: it looks at the clocks, and does chores when it may.

Chores have a task of their own, so that a long one does not hold up the clocks.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Final

from diglot.background.scheduler import Upkeep

log = logging.getLogger("diglot.upkeep")
# So often is looked at the clocks, and for segments that wait to be evaluated.
LOOK_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 5.0


@dataclass
class Worker:
    """Keeps things up until it is stopped."""

    upkeep: Upkeep
    look_seconds: float = LOOK_SECONDS
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _chores: asyncio.Task[None] | None = None
    _may: bool = False

    async def run(self) -> None:
        """Look again and again until `stop`."""
        while not self._stopping.is_set():
            try:
                await self._look()
            except Exception:
                log.exception("cannot look for what is to be done")
            await self._rest(self.look_seconds)

    async def stop(self, running: asyncio.Task[None]) -> None:
        """End after what is being done now, or without it when that takes long."""
        self._stopping.set()
        tasks = {running} if self._chores is None else {running, self._chores}
        _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        try:
            await self.upkeep.release()
        except Exception:
            log.exception("cannot give up the lease; it runs out by itself")

    async def _look(self) -> None:
        await self.upkeep.follow_time()
        self._may = await self.upkeep.lease()
        idle = self._chores is None or self._chores.done()
        if self._may and idle and not self._stopping.is_set():
            self._chores = asyncio.create_task(self._work())

    async def _work(self) -> None:
        """Do chores while there are any."""
        while self._may and not self._stopping.is_set():
            began = time.monotonic()
            try:
                rests = await self.upkeep.step()
            except Exception:
                log.exception("cannot look for chores")
                return
            if rests is None:
                return
            await self._rest(rests * (time.monotonic() - began))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
