"""The embedded database: one SQLite file with one writer and several readers, each on its own thread."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import MetaData

from diglot.caches import ProcessCache
from diglot.computations import compute
from diglot.errors import DatabaseAway, Misconfigured
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import (
    DEFAULT_LIMITS,
    CommitListener,
    Engine,
    EphemeralBusyError,
    Limits,
    UnitOfWork,
    Usage,
)
from diglot.storage.sql.pool.background import BackgroundEngine
from diglot.storage.sql.pool.failures import Failures
from diglot.storage.sql.pool.sqlite.counter_file import CounterFile
from diglot.storage.sql.pool.sqlite.ephemeral_file import EphemeralFile
from diglot.storage.sql.pool.sqlite.failures import explain_error
from diglot.storage.sql.pool.sqlite.point_reads import PointReads
from diglot.storage.sql.pool.sqlite.readers import Readers
from diglot.storage.sql.pool.sqlite.thread import ConnectionThread
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction, run_without_suspending
from diglot.storage.sql.pool.sqlite.writer import Writer
from diglot.storage.sql.sqlite_file import prepare_file
from diglot.storage.sql.sqlite_module import require_supported, sqlite3

T = TypeVar("T")
PING_SECONDS: Final = 3.0


class SQLite:
    """The engine of one SQLite file."""

    point_reads_are_local = True
    sees_commits_only = True

    def __init__(
        self, path: Path, backend: Backend, ephemeral_tables: MetaData, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.backend = backend
        self._path = path
        self._ping_thread: ConnectionThread | None = None
        self.process_cache = ProcessCache()
        self._failures = Failures()
        self._begin = partial(SQLiteTransaction, backend=backend, process_cache=self.process_cache)
        self._ephemeral = EphemeralFile(path, backend, ephemeral_tables)
        self.request_counters = CounterFile(path, partial(self._failures.note, "ephemeral"))
        self._point_reads = PointReads(path, self._begin, self._failures)
        self.point_read, self.fetch_point = self._point_reads.run, self._point_reads.fetch
        self.commit_mark = self._point_reads.mark
        self._readers = Readers(path, self._begin, limits, self._failures)
        forget = self.process_cache.forget_uncommitted
        self._writer = Writer(path, self._begin, limits, self._failures, forget_uncommitted=forget)

    async def open(self, check: Callable[[], Awaitable[None]] | None = None) -> None:
        require_supported()
        if check is not None:
            await check()
        opening = self._path
        try:
            prepare_file(self._path)
            await self._writer.open()
            await self._readers.open()
            self._point_reads.open()
            opening = self._ephemeral.path
            self._ephemeral.open()
            opening = self.request_counters.path
            self.request_counters.open()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise Misconfigured(f"database {str(opening)!r} cannot be opened: {error}") from error

    async def close(self) -> None:
        self._point_reads.close()
        self._ephemeral.close()
        self.request_counters.close()
        await self._readers.close()
        await self._writer.close()
        if self._ping_thread is not None:
            await self._ping_thread.close()
        self._ping_thread = None

    def on_commit(self, listener: CommitListener) -> None:
        self._writer.commit_listener = listener

    def in_background(self) -> Engine:
        return BackgroundEngine(self)

    def usage(self) -> Usage:
        pools = {"read": self._readers.usage(), "write": self._writer.usage()}
        return Usage(pools, dict(self._failures.counts))

    async def ping(self) -> None:
        self._writer.check_file()
        try:
            async with asyncio.timeout(PING_SECONDS):
                if self._ping_thread is None:
                    # Kept only once it is open, because the thread of a failed attempt has ended.
                    thread = ConnectionThread(self._path, PING_SECONDS)
                    await thread
                    self._ping_thread = thread
                await self._ping_thread.submit(_look_at_schema)
        except TimeoutError as error:
            raise DatabaseAway(f"{str(self._path)!r} did not answer within {PING_SECONDS:g} s") from error
        except sqlite3.Error as error:
            raise explain_error(error, self._path) or error from error

    async def read(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        del seconds
        return await self._readers.run(work, workspace)

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        try:
            return self._ephemeral.run(
                lambda connection: run_without_suspending(work(self._begin(connection)))
            )
        except (sqlite3.OperationalError, OSError) as error:
            self._failures.note("ephemeral", f"{str(self._ephemeral.path)!r} is not usable: {error}")
            raise EphemeralBusyError from error

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await compute(function)

    async def write(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        del seconds
        try:
            return await self._writer.run(work, workspace)
        finally:
            self._point_reads.forget_mark()


def _look_at_schema(thread: ConnectionThread) -> None:
    thread.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
