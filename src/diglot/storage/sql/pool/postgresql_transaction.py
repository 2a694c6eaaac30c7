"""A transaction of PostgreSQL on a pooled connection."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from diglot.caches import ProcessCache
from diglot.computations import compute
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import NO_VALUES, BoundValues, Executable, Row
from diglot.storage.sql.pool.slow_statements import timed

T = TypeVar("T")
# asyncpg has no types.
Connection = Any


class PostgreSQLTransaction:
    """A transaction, or a single statement, on a pooled connection."""

    def __init__(
        self,
        connection: Connection,
        backend: Backend,
        process_cache: ProcessCache,
        *,
        may_write: bool = False,
    ) -> None:
        self.backend = backend
        self._connection = connection
        self.notified: set[int] = set()
        self.process_cache = process_cache
        self.open_units: dict[int, Any] = {}
        self.may_write = may_write

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

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await compute(function, in_unit=True)

    def notify_on_commit(self, workspace: int) -> None:
        self.notified.add(workspace)
