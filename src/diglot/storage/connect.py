"""Opens databases: returns an engine for a URL, connected and at the latest schema revision."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from diglot.errors import Misconfigured
from diglot.storage.schema import ephemeral_metadata as fleeting
from diglot.storage.schema import revisions
from diglot.storage.sql.engine import Engine, is_postgresql
from diglot.storage.sql.sqlite import SQLite
from diglot.storage.sql.sqlite_file import parse_sqlite_path


def create_engine(url: str) -> Engine:
    """Return the engine for a database URL or a file name; raise `Misconfigured` for an invalid one."""
    if is_postgresql(url):
        from diglot.storage.sql.postgresql import PostgreSQL  # noqa: PLC0415 - a SQLite file needs no asyncpg

        return PostgreSQL(url)
    return SQLite(parse_sqlite_path(url), fleeting)


def is_embedded(url: str) -> bool:
    """Tell whether a database is a local SQLite file, which Diglot migrates by itself."""
    return not is_postgresql(url)


async def prepare_database(url: str) -> None:
    """Migrate a SQLite file; raise `Misconfigured` for a PostgreSQL database that is not migrated."""
    if not is_embedded(url):
        await revisions.require_latest(url)
    elif revisions.is_behind(await revisions.read_revision(url)):
        from diglot.storage.schema.migrate import upgrade_schema  # noqa: PLC0415 - alembic costs a start 0.2 s

        await upgrade_schema(url)


@asynccontextmanager
async def open_engine(url: str) -> AsyncIterator[Engine]:
    """Yield an engine on a migrated database and close it at the end; a missing file is created."""
    await prepare_database(url)
    engine = create_engine(url)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def open_existing_engine(url: str) -> AsyncIterator[Engine]:
    """Yield an engine on a database that exists.

    A missing file raises `Misconfigured`, because a mistyped file name must not create an empty database.
    """
    if is_embedded(url) and not parse_sqlite_path(url).exists():
        raise Misconfigured(
            f"there is no database file {str(parse_sqlite_path(url))!r}: is --database right?"
        )
    async with open_engine(url) as engine:
        yield engine


async def check_database(url: str) -> None:
    """Open a database once, so that start-up fails early, with one line, if it cannot be used."""
    async with open_engine(url):
        pass
