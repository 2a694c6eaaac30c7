"""The embedded database: one SQLite file with one writer and several readers, each on its own thread.

Concurrent requests share a commit (group commit), because with `synchronous=FULL` the sync is most of the
cost of a write. FULL is required: it keeps an acknowledged write through a power cut, which NORMAL does not.
Each unit runs in its own savepoint.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import aiosqlite
from sqlalchemy import MetaData

from diglot.caches import ProcessCache
from diglot.errors import DatabaseAway, Misconfigured
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import (
    EphemeralBusyError,
    PoolUsage,
    UnitOfWork,
    Usage,
)
from diglot.storage.sql.pool.sqlite_transaction import SQLiteTransaction, run_without_suspending
from diglot.storage.sql.sqlite_ephemeral import EphemeralFile
from diglot.storage.sql.sqlite_file import BUSY_SECONDS, prepare_file
from diglot.storage.sql.sqlite_module import require_supported, sqlite3

T = TypeVar("T")
READER_COUNT: Final = 2
# Limits the units in one commit, so that the first does not wait for a long queue.
MAX_UNITS_PER_COMMIT: Final = 256

_PRAGMAS: Final = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-65536",
    "PRAGMA mmap_size=8589934592",
)


# Makes the transaction of a unit on a connection.
_Begin = Callable[..., SQLiteTransaction]


def _open_connection(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        cached_statements=512,
        check_same_thread=not shared,
    )
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


class _ConnectionThread(aiosqlite.Connection):
    """A connection that runs a whole function on its thread: one thread hop for a unit of work."""

    def __init__(self, path: Path) -> None:
        super().__init__(partial(_open_connection, path), iter_chunk_size=64)
        # A process that dies without closing must not hang because the thread still waits for work.
        self._thread.daemon = True

    async def run_on_thread(self, function: Callable[[sqlite3.Connection], T]) -> T:
        context = copy_context()

        def in_context(opened: sqlite3.Connection) -> T:
            return context.run(function, opened)

        return cast("T", await self._execute(self._call_with_connection, in_context))  # type: ignore[no-untyped-call]

    def _call_with_connection(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return function(self._conn)


@dataclass(slots=True)
class _QueuedWrite:
    work: UnitOfWork[Any]
    future: asyncio.Future[Any]
    # The context of the request: its units share a commit with those of others.
    context: Context = field(default_factory=copy_context)
    result: Any = None
    error: BaseException | None = None
    must_notify: bool = False


class SQLite:
    """The engine of one SQLite file."""

    point_reads_are_local = True

    def __init__(self, path: Path, backend: Backend, ephemeral_tables: MetaData) -> None:
        self.backend = backend
        self._path = path
        self._readers: asyncio.Queue[_ConnectionThread] = asyncio.Queue()
        self._threads: list[_ConnectionThread] = []
        self._writer: _ConnectionThread | None = None
        self._point_reads: sqlite3.Connection | None = None
        self._point_read_transaction: SQLiteTransaction | None = None
        self.process_cache = ProcessCache()
        self._begin = partial(SQLiteTransaction, backend=backend, process_cache=self.process_cache)
        self._ephemeral = EphemeralFile(path, backend, ephemeral_tables)
        self._write_queue: deque[_QueuedWrite] = deque()
        self._drain_task: asyncio.Task[None] | None = None
        self._commit_listener: Callable[[], None] | None = None

    async def open(self) -> None:
        require_supported()
        opening = self._path
        try:
            prepare_file(self._path)
            for _ in range(READER_COUNT + 1):
                thread = _ConnectionThread(self._path)
                self._threads.append(thread)
                await thread
            # A point read of cached pages costs less than a hop to another thread.
            self._point_reads = _open_connection(self._path, shared=True)
            self._point_read_transaction = self._begin(self._point_reads)
            opening = self._ephemeral.path
            self._ephemeral.open()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise Misconfigured(f"database {str(opening)!r} cannot be opened: {error}") from error
        self._writer = self._threads[0]
        for reader in self._threads[1:]:
            self._readers.put_nowait(reader)

    async def close(self) -> None:
        if self._point_reads is not None:
            self._point_reads.close()
        self._point_reads = None
        self._ephemeral.close()
        while self._threads:
            await self._threads.pop().close()

    def on_commit(self, listener: Callable[[], None]) -> None:
        self._commit_listener = listener

    async def ping(self) -> None:
        assert self._point_reads is not None
        try:
            self._point_reads.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise DatabaseAway(str(error)) from error

    def usage(self) -> Usage:
        waiting = len(self._write_queue)
        in_use = READER_COUNT - self._readers.qsize()
        return Usage({"read": PoolUsage(READER_COUNT, in_use), "write": PoolUsage(1, 0, waiting)})

    def in_background(self) -> "SQLite":
        return self

    async def read(self, work: UnitOfWork[T], *, workspace: int | None = None) -> T:
        del workspace
        reader = await self._readers.get()
        try:
            return await reader.run_on_thread(partial(_run_read, work, self._begin))
        finally:
            self._readers.put_nowait(reader)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        assert self._point_read_transaction is not None
        return run_without_suspending(work(self._point_read_transaction))

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        try:
            return self._ephemeral.run(partial(_run, work, self._begin))
        except (sqlite3.OperationalError, OSError) as error:
            raise EphemeralBusyError from error

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await asyncio.to_thread(function)

    async def write(self, work: UnitOfWork[T], *, workspace: int | None = None) -> T:
        del workspace
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._write_queue.append(_QueuedWrite(work, future))
        if self._drain_task is None:
            self._drain_task = asyncio.create_task(self._drain_writes())
        return await future

    async def _drain_writes(self) -> None:
        assert self._writer is not None
        try:
            while self._write_queue:
                shared = [
                    self._write_queue.popleft()
                    for _ in range(min(len(self._write_queue), MAX_UNITS_PER_COMMIT))
                ]
                try:
                    await self._writer.run_on_thread(partial(_run_writes, shared, self._begin))
                except BaseException as error:  # noqa: BLE001 - every waiting request gets it
                    for unit in shared:
                        unit.error = error
                for unit in shared:
                    _finish_write(unit)
                must_notify = any(unit.must_notify and unit.error is None for unit in shared)
                if must_notify and self._commit_listener is not None:
                    self._commit_listener()
        finally:
            self._drain_task = None


def _finish_write(unit: _QueuedWrite) -> None:
    if unit.future.done():
        return
    if unit.error is not None:
        unit.future.set_exception(unit.error)
    else:
        unit.future.set_result(unit.result)


def _run(work: UnitOfWork[T], begin: _Begin, connection: sqlite3.Connection) -> T:
    return run_without_suspending(work(begin(connection)))


def _run_read(work: UnitOfWork[T], begin: _Begin, connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN")
    try:
        return run_without_suspending(work(begin(connection)))
    finally:
        connection.execute("COMMIT")


def _run_writes(units: Sequence[_QueuedWrite], begin: _Begin, connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for unit in units:
            connection.execute("SAVEPOINT unit")
            transaction = begin(connection, may_write=True)
            try:
                unit.result = unit.context.run(run_without_suspending, unit.work(transaction))
                unit.must_notify = transaction.must_notify
            except Exception as error:  # noqa: BLE001 - the error belongs to one request, which gets it
                unit.error = error
                connection.execute("ROLLBACK TO unit")
            connection.execute("RELEASE unit")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
