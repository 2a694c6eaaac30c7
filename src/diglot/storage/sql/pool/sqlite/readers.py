"""The readers of a SQLite file: threads that workspaces take in turn, and the deadline of what they run."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from diglot.errors import DeadlineExceeded
from diglot.storage.sql.engine import BACKGROUND, SHORT_BACKGROUND, Limits, PoolUsage, UnitOfWork
from diglot.storage.sql.pool.failures import Failures
from diglot.storage.sql.pool.sqlite.failures import explain_error
from diglot.storage.sql.pool.sqlite.thread import Begin, ConnectionThread
from diglot.storage.sql.pool.turns import Turns
from diglot.storage.sql.sqlite_module import sqlite3

T = TypeVar("T")
READER_COUNT: Final = 4
# How often running reads are compared with their deadline. A unit of several statements is interrupted again.
_WATCH_SECONDS: Final = 0.25


class Readers:
    """Connections that read, opened when the first unit needs them."""

    def __init__(self, path: Path, begin: Begin, limits: Limits, failures: Failures) -> None:
        size = limits.connections or READER_COUNT
        self._path, self._begin, self._limits, self._failures = path, begin, limits, failures
        self._turns = Turns(size, limits)
        self._idle: list[ConnectionThread] = []
        self._threads: list[ConnectionThread] = []
        self._deadlines: dict[ConnectionThread, float] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._late: set[ConnectionThread] = set()
        self._returning: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the first reader; raise what the module raises."""
        self._idle.append(await self._open_thread())

    async def close(self) -> None:
        """Close all readers after the units that they run."""
        while self._threads:
            await self._threads.pop().close()

    def usage(self) -> PoolUsage:
        """Return the figures of the pool."""
        return self._turns.usage()

    async def run(self, work: UnitOfWork[T], key: int | None) -> T:
        """Run a unit for a workspace in one snapshot."""
        await self._turns.take(key)
        reader: ConnectionThread | None = None
        try:
            reader = self._idle.pop() if self._idle else await self._open_thread()
            self._set_deadline(reader, key)
            result = await reader.submit(_reading(work, self._begin))
        except asyncio.CancelledError:
            self._release_later(reader, key)
            raise
        except BaseException as error:
            late = reader is not None and reader in self._late
            self._release(reader, key, succeeded=not isinstance(error, sqlite3.Error))
            if not isinstance(error, sqlite3.Error):
                raise
            raise self._explain(error, late=late) from error
        self._release(reader, key, succeeded=True)
        return result

    async def _open_thread(self) -> ConnectionThread:
        thread = ConnectionThread(self._path, self._limits.wait_seconds)
        await thread
        self._threads.append(thread)
        return thread

    def _release(self, reader: ConnectionThread | None, key: int | None, *, succeeded: bool) -> None:
        if reader is not None:
            self._deadlines.pop(reader, None)
            self._late.discard(reader)
            self._idle.append(reader)
        self._turns.give_back(key, succeeded=succeeded)

    def _release_later(self, reader: ConnectionThread | None, key: int | None) -> None:
        """Release a reader whose unit was cancelled once its thread is free, which an interrupt speeds up."""
        if reader is None:
            self._release(None, key, succeeded=False)
            return
        reader.interrupt_now()

        async def release() -> None:
            await reader.submit(lambda _: None)
            self._release(reader, key, succeeded=False)

        task = asyncio.create_task(release())
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    def _set_deadline(self, reader: ConnectionThread, key: int | None) -> None:
        if key in (BACKGROUND, SHORT_BACKGROUND):
            return
        loop = asyncio.get_running_loop()
        self._deadlines[reader] = loop.time() + self._limits.read_seconds
        if self._watch is None:
            self._watch = loop.call_later(_WATCH_SECONDS, self._interrupt_late)

    def _interrupt_late(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for reader, deadline in self._deadlines.items():
            if deadline <= now:
                self._late.add(reader)
                reader.interrupt_now()
        again = bool(self._deadlines)
        self._watch = loop.call_later(_WATCH_SECONDS, self._interrupt_late) if again else None

    def _explain(self, error: sqlite3.Error, *, late: bool) -> Exception:
        explained = explain_error(error, self._path)
        if isinstance(explained, DeadlineExceeded):
            if not late:
                return error
            explained = DeadlineExceeded(f"a read was ended after {self._limits.read_seconds:g} s")
        return error if explained is None else self._failures.record(explained)


def _reading(work: UnitOfWork[T], begin: Begin) -> Callable[[ConnectionThread], T]:
    return lambda thread: thread.read(work, begin)
