"""The embedded database: SQLite in one file, one writer and several readers, each on its own thread.

Writes of concurrent requests share a commit: with `synchronous=FULL` the sync is what a write costs, and
FULL is what keeps an acknowledged write through a power cut. Each unit runs in a savepoint of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import aiosqlite

from diglot.errors import Misconfigured
from diglot.storage.sql.backend import SQLITE, Backend
from diglot.storage.sql.engine import NO_VALUES, Busy, Executable, Row, Values, Work
from diglot.storage.sql.sqlite_ephemeral import EphemeralFile
from diglot.storage.sql.sqlite_module import require_supported, sqlite3

T = TypeVar("T")
READERS: Final = 2
BUSY_SECONDS: Final = 30
# 8 KiB pages hold a contact with its documents in one page; measured against 4 and 16.
PAGE_SIZE: Final = 8192
# A commit is shared by at most so many units, so that the first does not wait for a long queue.
MOST_SHARED: Final = 256

_PRAGMAS: Final = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-65536",
    "PRAGMA mmap_size=8589934592",
)


class SQLiteTransaction:
    """A transaction on the connection's own thread: awaits return at once."""

    def __init__(
        self, connection: sqlite3.Connection, memory: dict[str, Any], *, writes: bool = False
    ) -> None:
        self.memory = memory
        self.writes = writes
        self._execute = connection.execute
        self._execute_many = connection.executemany
        self.announced = False

    @property
    def backend(self) -> Backend:
        return SQLITE

    async def rows(self, statement: Executable, values: Values = NO_VALUES) -> Sequence[Row]:
        sql = statement.sql(SQLITE)
        return self._execute(sql.text, sql.positional(values)).fetchall()

    async def row(self, statement: Executable, values: Values = NO_VALUES) -> Row | None:
        sql = statement.sql(SQLITE)
        found: Row | None = self._execute(sql.text, sql.positional(values)).fetchone()
        return found

    async def run(self, statement: Executable, values: Values = NO_VALUES) -> None:
        sql = statement.sql(SQLITE)
        self._execute(sql.text, sql.positional(values))

    async def run_many(self, statement: Executable, values: Sequence[Values]) -> None:
        sql = statement.sql(SQLITE)
        self._execute_many(sql.text, [sql.positional(each) for each in values])

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        # A unit that may compute for long runs on the thread of its connection, and must not suspend.
        return function()

    def announce(self) -> None:
        self.announced = True


def drive(work: Awaitable[T]) -> T:
    """Run an awaitable that never suspends; raise RuntimeError if it does."""
    coroutine = cast("Coroutine[Any, Any, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    raise RuntimeError("a unit of work on SQLite awaited something other than its transaction")


def _open(path: Path, *, shared: bool = False) -> sqlite3.Connection:
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


class _Thread(aiosqlite.Connection):
    """A connection that runs a whole function on its thread: one hop for a unit of work."""

    def __init__(self, path: Path) -> None:
        super().__init__(partial(_open, path), iter_chunk_size=64)
        # A process that dies without closing must not hang on a thread that waits for work.
        self._thread.daemon = True

    async def hop(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return cast("T", await self._execute(self._call, function))  # type: ignore[no-untyped-call]

    def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return function(self._conn)


@dataclass(slots=True)
class _Pending:
    work: Work[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    announced: bool = False


class SQLite:
    """One SQLite file."""

    glance_is_cheap = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: asyncio.Queue[_Thread] = asyncio.Queue()
        self._threads: list[_Thread] = []
        self._writer: _Thread | None = None
        self._here: sqlite3.Connection | None = None
        self._glance: SQLiteTransaction | None = None
        self._memory: dict[str, Any] = {}
        self._beside = EphemeralFile(path)
        self._pending: deque[_Pending] = deque()
        self._drainer: asyncio.Task[None] | None = None
        self._listener: Callable[[], None] | None = None

    @property
    def backend(self) -> Backend:
        return SQLITE

    async def open(self) -> None:
        require_supported()
        opening = self._path
        try:
            prepare(self._path)
            for _ in range(READERS + 1):
                thread = _Thread(self._path)
                self._threads.append(thread)
                await thread
            # Point reads of cached pages cost less than a hop to another thread.
            self._here = _open(self._path, shared=True)
            self._glance = SQLiteTransaction(self._here, self._memory)
            opening = self._beside.path
            self._beside.open()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise Misconfigured(f"database {str(opening)!r} cannot be opened: {error}") from error
        self._writer = self._threads[0]
        for reader in self._threads[1:]:
            self._readers.put_nowait(reader)

    async def close(self) -> None:
        if self._here is not None:
            self._here.close()
        self._here = None
        self._beside.close()
        while self._threads:
            await self._threads.pop().close()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listener = listener

    async def read(self, work: Work[T]) -> T:
        reader = await self._readers.get()
        try:
            return await reader.hop(partial(_read, work, self._memory))
        finally:
            self._readers.put_nowait(reader)

    async def glance(self, work: Work[T]) -> T:
        assert self._glance is not None
        return drive(work(self._glance))

    async def fleeting(self, work: Work[T]) -> T:
        try:
            return self._beside.run(partial(_run, work, self._memory))
        except (sqlite3.OperationalError, OSError) as error:
            raise Busy from error

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await asyncio.to_thread(function)

    async def write(self, work: Work[T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(work, future))
        if self._drainer is None:
            self._drainer = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        assert self._writer is not None
        try:
            while self._pending:
                shared = [self._pending.popleft() for _ in range(min(len(self._pending), MOST_SHARED))]
                try:
                    await self._writer.hop(partial(_write, shared, self._memory))
                except BaseException as error:  # noqa: BLE001 - every waiting request gets it
                    for unit in shared:
                        unit.error = error
                for unit in shared:
                    _settle(unit)
                announced = any(unit.announced and unit.error is None for unit in shared)
                if announced and self._listener is not None:
                    self._listener()
        finally:
            self._drainer = None


def _settle(unit: _Pending) -> None:
    if unit.future.done():
        return
    if unit.error is not None:
        unit.future.set_exception(unit.error)
    else:
        unit.future.set_result(unit.result)


def _run(work: Work[T], memory: dict[str, Any], connection: sqlite3.Connection) -> T:
    return drive(work(SQLiteTransaction(connection, memory)))


def _read(work: Work[T], memory: dict[str, Any], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN")
    try:
        return drive(work(SQLiteTransaction(connection, memory)))
    finally:
        connection.execute("COMMIT")


def _write(units: Sequence[_Pending], memory: dict[str, Any], connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for unit in units:
            connection.execute("SAVEPOINT unit")
            transaction = SQLiteTransaction(connection, memory, writes=True)
            try:
                unit.result = drive(unit.work(transaction))
                unit.announced = transaction.announced
            except Exception as error:  # noqa: BLE001 - it belongs to one request, which gets it
                unit.error = error
                connection.execute("ROLLBACK TO unit")
            connection.execute("RELEASE unit")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def prepare(path: Path) -> None:
    """Make the file ready before the first connection: the page size and the journal stay with it."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def read_revision(path: Path) -> str | None:
    """Return the revision of a file, or None where it has no tables; a missing file stays missing."""
    # A connection that may write takes the files beside the database away when it closes.
    where = f"{path.absolute().as_uri()}?mode=rw"
    try:
        if not path.exists():
            return None
        with closing(sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS)) as connection:
            table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
            if table.fetchone() is None:
                return None
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"database {str(path)!r} cannot be opened: {error}") from error
    return None if found is None else str(found[0])
