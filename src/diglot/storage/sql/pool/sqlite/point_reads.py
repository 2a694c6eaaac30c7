"""Reads of one row by a unique key, on the thread of the event loop: cached pages cost less than a hop."""

from pathlib import Path
from typing import Final, TypeVar

from diglot.request_record import RequestRecord, current_request
from diglot.storage.sql.engine import BoundValues, Executable, Row, UnitOfWork
from diglot.storage.sql.pool.failures import Failures
from diglot.storage.sql.pool.sqlite.failures import explain_error
from diglot.storage.sql.pool.sqlite.thread import Begin, open_connection
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction, run_without_suspending
from diglot.storage.sql.sqlite_module import sqlite3

T = TypeVar("T")
# The thread of the event loop must not wait.
_BUSY_SECONDS: Final = 0.05


class PointReads:
    """The connection for these reads; it never writes, so every commit is one of another connection."""

    def __init__(self, path: Path, begin: Begin, failures: Failures) -> None:
        self._path, self._begin, self._failures = path, begin, failures
        self._connection: sqlite3.Connection | None = None
        self._transaction: SQLiteTransaction | None = None
        self._opened = 0
        # The request that asked for a mark last, and what it was told.
        self._marked_request: RequestRecord | None = None
        self._mark: tuple[int, int] | None = None

    def open(self) -> None:
        """Open the connection; raise what the module raises."""
        self._connection = open_connection(self._path, _BUSY_SECONDS, shared=True)
        self._transaction = self._begin(self._connection)
        self._ask_version = self._connection.cursor().execute
        # Another connection counts from another number.
        self._opened += 1
        self.forget_mark()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    async def run(self, work: UnitOfWork[T]) -> T:
        """Run a unit of one read."""
        assert self._transaction is not None
        try:
            return run_without_suspending(work(self._transaction))
        except sqlite3.Error as error:
            raise self._explain(error) from error

    async def fetch(self, statement: Executable, values: BoundValues) -> Row | None:
        """Return the row of a statement, or None."""
        assert self._transaction is not None
        try:
            return await self._transaction.fetch_one(statement, values)
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def mark(self) -> tuple[int, int] | None:
        """Return what is equal to an earlier mark only if nobody has committed since, or None.

        SQLite counts the commits of all other connections, of this process and of others. Asking costs 3 us,
        so a request asks once, and what it remembers is of one instant, which lies after its arrival.
        """
        request = current_request.get()
        if request is None or request is not self._marked_request or request.status:
            try:
                self._mark = self._opened, self._ask_version("PRAGMA data_version").fetchone()[0]
            except sqlite3.Error:
                # The read that follows says why.
                self.forget_mark()
                return None
            self._marked_request = request
        return self._mark

    def forget_mark(self) -> None:
        """Ask anew in this request, because it may have written."""
        self._marked_request = None

    def _explain(self, error: sqlite3.Error) -> Exception:
        explained = explain_error(error, self._path)
        return error if explained is None else self._failures.record(explained)
