"""A connection to a SQLite file on a thread of its own, which runs whole units of work."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from diglot.storage.sql.engine import UnitOfWork
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction, run_without_suspending
from diglot.storage.sql.sqlite_module import sqlite3

T = TypeVar("T")
_PRAGMAS: Final = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-65536",
    "PRAGMA mmap_size=8589934592",
)
CACHED_STATEMENTS: Final = 512
# A connection keeps its prepared statements, which take about 20 bytes for each character of their SQL. Those
# of conditions can be long and are seldom repeated, so a connection is opened anew after so many characters.
MAX_LARGE_SQL: Final = 400_000

# Makes the transaction of a unit on a connection.
Begin = Callable[..., SQLiteTransaction]


def open_connection(path: Path, busy_seconds: float, *, shared: bool = False) -> sqlite3.Connection:
    """Open a file; a `shared` connection may be used by any thread, one at a time."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=busy_seconds,
        cached_statements=CACHED_STATEMENTS,
        check_same_thread=not shared,
    )
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


class ConnectionThread(aiosqlite.Connection):
    """A connection that runs a whole function on its thread: one thread hop for a unit of work."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._open = partial(open_connection, path, busy_seconds)
        super().__init__(self._open, iter_chunk_size=64)
        # A process that dies without closing must not hang because the thread still waits for work.
        self._thread.daemon = True
        self._large_sql: dict[int, int] = {}

    def submit(self, function: Callable[["ConnectionThread"], T]) -> asyncio.Future[T]:
        """Run a function on the thread, in the context of the caller, and return its future result."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, partial(copy_context().run, function, self)))
        return future

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for functions on the thread."""
        connection: sqlite3.Connection = self._conn
        return connection

    def interrupt_now(self) -> None:
        """Interrupt the statement that runs on the thread; the unit gets an `sqlite3.OperationalError`."""
        with suppress(sqlite3.ProgrammingError, ValueError):
            self._conn.interrupt()

    def read(self, work: UnitOfWork[T], begin: Begin) -> T:
        """Run a unit in one snapshot, on the thread."""
        connection = self.connection
        connection.execute("BEGIN")
        transaction = begin(connection)
        try:
            return run_without_suspending(work(transaction))
        finally:
            _end_snapshot(connection)
            if transaction.large_sql:
                self.bound_statements(transaction)

    def bound_statements(self, transaction: SQLiteTransaction) -> None:
        """Open the connection anew if its statements grew too large; on the thread, outside a transaction."""
        self._large_sql |= transaction.large_sql
        if sum(self._large_sql.values()) > MAX_LARGE_SQL:
            opened = self._open()
            self.connection.close()
            self._connection = opened
            self._large_sql = {}


def _end_snapshot(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        # The interrupt of a late unit may hit the end of its transaction.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
