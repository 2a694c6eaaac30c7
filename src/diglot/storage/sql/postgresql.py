"""The server database: PostgreSQL 15 to 18 through a connection pool of asyncpg."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg

from diglot.caches import ProcessCache
from diglot.errors import DatabaseAway, Misconfigured
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import NO_VALUES, BoundValues, Executable, PoolUsage, Row, UnitOfWork, Usage
from diglot.storage.sql.pool.slow_statements import timed

T = TypeVar("T")
MAX_CONNECTIONS: Final = 8
CONNECT_SECONDS: Final = 10
PING_SECONDS: Final = 3
MIN_VERSION: Final = 150000

# Statements are short and cached, so neither JIT compilation nor parallel workers pay off at the size of one
# workspace.
_SERVER_SETTINGS: Final = {"jit": "off", "application_name": "diglot"}

# What asyncpg raises if a database cannot be used; an unreadable URL raises ValueError.
_UNUSABLE: Final = (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)

Connection = Any


class _SessionKeepingConnection(asyncpg.Connection):
    """A connection that is not reset on release, because no code here leaves state in a session."""

    def get_reset_query(self) -> str:
        return ""


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
        self.must_notify = False
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
        return await asyncio.to_thread(function)

    def notify_on_commit(self) -> None:
        self.must_notify = True


class PostgreSQL:
    """The engine of one PostgreSQL database."""

    # A point read is a round trip, so API keys are cached for a moment.
    point_reads_are_local = False

    def __init__(self, url: str, backend: Backend) -> None:
        self.backend = backend
        self._url = url
        self._pool: Any = None
        self._commit_listener: Callable[[], None] | None = None
        self.process_cache = ProcessCache()

    async def open(self) -> None:
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=MAX_CONNECTIONS,
                timeout=CONNECT_SECONDS,
                connection_class=_SessionKeepingConnection,
                server_settings=dict(_SERVER_SETTINGS),
            )
            version = await self._pool.fetchval("SELECT current_setting('server_version_num')::int")
        except _UNUSABLE as error:
            await self.close()
            raise Misconfigured(_refusal(error)) from error
        if version < MIN_VERSION:
            await self.close()
            raise Misconfigured(f"PostgreSQL {version // 10000} is too old: 15 or later is needed")

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    def on_commit(self, listener: Callable[[], None]) -> None:
        self._commit_listener = listener

    async def ping(self) -> None:
        try:
            connection = await asyncpg.connect(self._url, timeout=PING_SECONDS, command_timeout=PING_SECONDS)
            try:
                await connection.execute("SELECT 1")
            finally:
                connection.terminate()
        except _UNUSABLE as error:
            raise DatabaseAway(_refusal(error)) from error

    def usage(self) -> Usage:
        in_use = self._pool.get_size() - self._pool.get_idle_size()
        return Usage({"connections": PoolUsage(MAX_CONNECTIONS, in_use)})

    def in_background(self) -> "PostgreSQL":
        return self

    async def read(self, work: UnitOfWork[T], *, workspace: int | None = None) -> T:
        del workspace
        async with self._begin_transaction(isolation="repeatable_read", readonly=True) as transaction:
            return await work(transaction)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        async with self._pool.acquire() as connection:
            return await work(PostgreSQLTransaction(connection, self.backend, self.process_cache))

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        return await self.point_read(work)

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await asyncio.to_thread(function)

    async def write(self, work: UnitOfWork[T], *, workspace: int | None = None) -> T:
        del workspace
        async with self._begin_transaction() as transaction:
            result = await work(transaction)
        if transaction.must_notify and self._commit_listener is not None:
            self._commit_listener()
        return result

    @asynccontextmanager
    async def _begin_transaction(self, **options: Any) -> AsyncIterator[PostgreSQLTransaction]:
        async with self._pool.acquire() as connection, connection.transaction(**options):
            yield PostgreSQLTransaction(connection, self.backend, self.process_cache, may_write=not options)


async def read_revision(url: str) -> str | None:
    """Return the schema revision of a database, or None if it has no tables."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        finally:
            await connection.close()
    except asyncpg.UndefinedTableError:
        return None
    except _UNUSABLE as error:
        raise Misconfigured(_refusal(error)) from error
    return revision


def _refusal(error: BaseException) -> str:
    unread = "its URL cannot be read: " if isinstance(error, ValueError) else ""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return f"the PostgreSQL database cannot be opened: {unread}{reason}"
