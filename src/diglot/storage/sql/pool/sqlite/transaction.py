"""A transaction of SQLite, which runs on the thread of its connection and never suspends."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar, cast

from diglot.caches import ProcessCache
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.sql.engine import NO_VALUES, BoundValues, Executable, Row
from diglot.storage.sql.pool.slow_statements import timed_at_once
from diglot.storage.sql.sqlite_module import sqlite3

T = TypeVar("T")
# The statements of repositories are shorter; those of conditions with many rules are longer.
LARGE_SQL: Final = 8_192


class SQLiteTransaction:
    """A transaction on the connection's own thread: awaits return at once."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        backend: Backend,
        process_cache: ProcessCache,
        *,
        may_write: bool = False,
    ) -> None:
        self.backend = backend
        self.process_cache = process_cache
        self.open_units: dict[int, Any] = {}
        self.may_write = may_write
        self.others_write = False
        self.rows_are_apart = False
        self._execute = connection.execute
        self._execute_many = connection.executemany
        self.notified: set[int] = set()
        # The length of each long statement that was executed, by its hash.
        self.large_sql: dict[int, int] = {}

    @timed_at_once
    def fetch_all(self, statement: Executable, values: BoundValues = NO_VALUES) -> Sequence[Row]:
        sql = self._sql_for(statement)
        return self._execute(sql.text, sql.positional_values(values)).fetchall()

    @timed_at_once
    def fetch_one(self, statement: Executable, values: BoundValues = NO_VALUES) -> Row | None:
        sql = self._sql_for(statement)
        row: Row | None = self._execute(sql.text, sql.positional_values(values)).fetchone()
        return row

    @timed_at_once
    def execute(self, statement: Executable, values: BoundValues = NO_VALUES) -> None:
        sql = self._sql_for(statement)
        self._execute(sql.text, sql.positional_values(values))

    @timed_at_once
    def execute_many(self, statement: Executable, values: Sequence[BoundValues]) -> None:
        sql = self._sql_for(statement)
        self._execute_many(sql.text, [sql.positional_values(each) for each in values])

    def _sql_for(self, statement: Executable) -> Sql:
        sql = statement.sql_for(self.backend)
        if len(sql.text) > LARGE_SQL:
            self.large_sql[hash(sql.text)] = len(sql.text)
        return sql

    async def send_writes(self) -> None:
        """Do nothing, because no write is held back."""

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        # A unit runs on the thread of its connection already, and must not suspend.
        return function()

    def notify_on_commit(self, workspace: int) -> None:
        self.notified.add(workspace)


def run_without_suspending(work: Awaitable[T]) -> T:
    """Run an awaitable that never suspends and return its result; raise RuntimeError if it suspends."""
    coroutine = cast("Coroutine[Any, Any, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    raise RuntimeError("a unit of work on SQLite awaited something other than its transaction")
