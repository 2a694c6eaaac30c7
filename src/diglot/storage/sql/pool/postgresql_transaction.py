"""A transaction of PostgreSQL on a pooled connection.

A statement is a round trip, and the driver cannot send the next one before the answer. So a transaction that
writes holds its writes back, and sends those of different tables as the parts of one statement.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any, Final, TypeVar

from diglot.caches import ProcessCache
from diglot.computations import compute
from diglot.storage.sql.backend import Backend, PositionalSql, Sql
from diglot.storage.sql.engine import NO_VALUES, BoundValues, Executable, Row
from diglot.storage.sql.pool.postgresql_sessions import Connection
from diglot.storage.sql.pool.slow_statements import timed
from diglot.storage.sql.statement import ShapedStatement

T = TypeVar("T")
_PARAMETER: Final = re.compile(r"\$([0-9]+)")
# The driver keeps no longer statement prepared.
_MAX_TEXT: Final = 15_000
_JOINED_TEXTS: Final = 512


class PostgreSQLTransaction:
    """A transaction, or a single statement, on a pooled connection."""

    may_write = False
    # A unit locks the row of its own workspace.
    others_write = False
    rows_are_apart = False

    def __init__(self, connection: Connection, backend: Backend, process_cache: ProcessCache) -> None:
        self.backend = backend
        self._connection = connection
        self.notified: set[int] = set()
        self.process_cache = process_cache
        self.open_units: dict[int, Any] = {}

    @timed
    async def fetch_all(self, statement: Executable, values: BoundValues = NO_VALUES) -> Sequence[Row]:
        sql = statement.sql_for(self.backend)
        rows: Sequence[Row] = await self._connection.fetch(sql.text, *sql.positional_values(values))
        return rows

    @timed
    async def fetch_one(self, statement: Executable, values: BoundValues = NO_VALUES) -> Row | None:
        sql = statement.sql_for(self.backend)
        row: Row | None = await self._connection.fetchrow(sql.text, *sql.positional_values(values))
        return row

    @timed
    async def execute(self, statement: Executable, values: BoundValues = NO_VALUES) -> None:
        sql = statement.sql_for(self.backend)
        await self._connection.execute(sql.text, *sql.positional_values(values))

    @timed
    async def execute_many(self, statement: Executable, values: Sequence[BoundValues]) -> None:
        sql = statement.sql_for(self.backend)
        await self._connection.executemany(sql.text, [sql.positional_values(each) for each in values])

    async def send_writes(self) -> None:
        """Do nothing, because no write is held back."""

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await compute(function, in_unit=True)

    def notify_on_commit(self, workspace: int) -> None:
        self.notified.add(workspace)

    async def commit(self) -> None:
        """Commit what was written."""
        await self._connection.execute("COMMIT")


class WritingTransaction(PostgreSQLTransaction):
    """A transaction that holds its writes until a statement needs them, or until it commits.

    The parts of one statement see the tables as they were before it, and their order is not defined. So a
    part names no table that another part before it writes, unless the caller says that it touches other rows
    (`rows_are_apart`): apart or together they do the same. All are of one workspace, because a distributed
    database may send them together to the node of one of them.
    """

    may_write = True

    def __init__(self, connection: Connection, backend: Backend, process_cache: ProcessCache) -> None:
        super().__init__(connection, backend, process_cache)
        self._held: list[tuple[Sql, list[Any]]] = []
        # The tables that the held writes change, and the length of their texts.
        self._held_tables: set[str] = set()
        self._held_length = 0
        self._workspace: int | None = None

    async def fetch_all(self, statement: Executable, values: BoundValues = NO_VALUES) -> Sequence[Row]:
        await self._send_before(statement.sql_for(self.backend))
        return await super().fetch_all(statement, values)

    async def fetch_one(self, statement: Executable, values: BoundValues = NO_VALUES) -> Row | None:
        await self._send_before(statement.sql_for(self.backend))
        return await super().fetch_one(statement, values)

    async def execute(self, statement: Executable, values: BoundValues = NO_VALUES) -> None:
        sql, workspace = statement.sql_for(self.backend), values.get("workspace")
        if workspace != self._workspace or not self._can_join(sql):
            await self.send_writes()
        if sql.divisible and workspace is not None:
            self._held.append((sql, sql.positional_values(values)))
            self._held_length += len(sql.text)
            if sql.written is not None:
                self._held_tables.add(sql.written)
            self._workspace = workspace
        else:
            await super().execute(statement, values)

    async def execute_many(self, statement: Executable, values: Sequence[BoundValues]) -> None:
        if len(values) == 1:
            await self.execute(statement, values[0])
            return
        await self._send_before(statement.sql_for(self.backend))
        await super().execute_many(statement, values)

    async def commit(self) -> None:
        await self.send_writes()
        await super().commit()

    async def _send_before(self, sql: Sql) -> None:
        """Send what is held before a statement that has to see it, or that writes.

        A write may add rows that refer to those that are held.
        """
        if sql.written is not None or self._is_written_for(sql):
            await self.send_writes()

    def _can_join(self, sql: Sql) -> bool:
        """Tell whether a statement can be a part beside what is held."""
        fits = self._held_length + len(sql.text) <= _MAX_TEXT
        written_apart = sql.written if self.rows_are_apart else None
        return sql.divisible and fits and not self._is_written_for(sql, written_apart)

    def _is_written_for(self, sql: Sql, written_apart: str | None = None) -> bool:
        """Tell whether what is held may change rows of a table that a statement names.

        The statement and what is held write different rows of the table `written_apart`.
        """
        if sql.tables is None:
            return bool(self._held)
        return any(table in sql.tables and table != written_apart for table in self._held_tables)

    async def send_writes(self) -> None:
        """Send what is held as one statement."""
        self._workspace = None
        if not self._held:
            return
        held, self._held, self._held_length = self._held, [], 0
        self._held_tables.clear()
        text = _join(tuple((sql.text, len(sql.parameter_names)) for sql, _ in held))
        values: Any = list(chain.from_iterable(values for _, values in held))
        await super().execute(ShapedStatement(PositionalSql(text, (), {}), {}), values)


@lru_cache(maxsize=_JOINED_TEXTS)
def _join(parts: tuple[tuple[str, int], ...]) -> str:
    """Return one statement of several, each given with the number of its parameters."""
    texts: list[str] = []
    before = 0
    for text, count in parts:
        texts.append(_PARAMETER.sub(partial(_renumber, before), text))
        before += count
    if len(texts) == 1:
        return texts[0]
    # None stands last, because Citus would send the others along with an INSERT of selected rows.
    named = ", ".join(f"part_{number} AS ({text})" for number, text in enumerate(texts))
    return f"WITH {named} SELECT 1"


def _renumber(before: int, parameter: re.Match[str]) -> str:
    return f"${int(parameter[1]) + before}"
