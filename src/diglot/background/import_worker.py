"""Imports uploaded files: the process that holds the share of a workspace works on its jobs, in turns."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from diglot.errors import Unavailable
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.imports import jobs

log = logging.getLogger("diglot.background")
# A client waits so long for its import to begin, if another process took it.
POLL_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 5.0
_WORK: Final = "import"
# Works on the job of a workspace with a number for a second; returns False if it has to wait for others.
RunTurn = Callable[[int, int], Awaitable[bool]]


@dataclass
class ImportWorker:
    """Gives each job a turn after the other until it is stopped; `begun` is set when a job has begun here."""

    sweeper: Sweeper
    run_turn: RunTurn
    poll_seconds: float = POLL_SECONDS
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Work on jobs until `stop`."""
        while not self._stopping.is_set():
            self.begun.clear()
            if not await self._run_round():
                await self._pause()

    async def stop(self, running: asyncio.Task[None]) -> None:
        """Stop after the turn in progress, or cancel it if it takes too long; a job loses nothing."""
        self._stopping.set()
        self.begun.set()
        _, late = await asyncio.wait({running}, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _run_round(self) -> bool:
        """Give each job a turn; return whether there was one."""
        try:
            due = await self.sweeper.find(_WORK, jobs.list_due)
        except Unavailable:
            return False  # the engine has logged it
        except Exception:
            log.exception("cannot look for imports")
            return False
        worked = False
        for workspace, number in due:
            if self._stopping.is_set():
                break
            if self.sweeper.holds(workspace):
                worked = await self._give_turn(workspace, number) or worked
        return worked

    async def _give_turn(self, workspace: int, number: int) -> bool:
        try:
            return await self.run_turn(workspace, number)
        except Unavailable:
            return False
        except Exception as error:  # noqa: BLE001 - the other imports go on
            await self.sweeper.pass_over(_WORK, workspace, error)
            return False

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self.poll_seconds):
                await self.begun.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def import_in_background(
    sweeper: Sweeper, run_turn: RunTurn, begun: asyncio.Event
) -> AsyncIterator[None]:
    """Import uploaded files in the shares of a process until the end of the block."""
    worker = ImportWorker(sweeper, run_turn, begun=begun)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop(running)
