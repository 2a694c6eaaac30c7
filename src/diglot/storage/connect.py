"""Opens databases: an engine for a URL, ready for use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from diglot.errors import Misconfigured
from diglot.storage.schema import ephemeral_metadata as fleeting
from diglot.storage.schema import revisions
from diglot.storage.sql.engine import Engine, is_postgresql
from diglot.storage.sql.sqlite import SQLite
from diglot.storage.sql.sqlite_file import parse_sqlite_path


def create_engine(url: str) -> Engine:
    """Return the engine for a database URL or a file name; raise `Misconfigured`."""
    if is_postgresql(url):
        from diglot.storage.sql.postgresql import PostgreSQL  # noqa: PLC0415 - a SQLite file needs no asyncpg

        return PostgreSQL(url)
    return SQLite(parse_sqlite_path(url), fleeting)


def is_embedded(url: str) -> bool:
    """Tell whether a database is a file of this machine, which Diglot keeps up to date by itself."""
    return not is_postgresql(url)


async def make_ready(url: str) -> None:
    """Bring an embedded database up to date; raise `Misconfigured` for a server's that is not."""
    if not is_embedded(url):
        await revisions.require_latest(url)
    elif revisions.is_behind(await revisions.read_revision(url)):
        from diglot.storage.schema.migrate import upgrade_schema  # noqa: PLC0415 - alembic costs a start 0.2 s

        await upgrade_schema(url)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a database that is ready; a missing file is made."""
    await make_ready(url)
    engine = create_engine(url)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def existing(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a database that is there: a mistyped file name makes no empty one."""
    if is_embedded(url) and not parse_sqlite_path(url).exists():
        raise Misconfigured(
            f"there is no database file {str(parse_sqlite_path(url))!r}: is --database right?"
        )
    async with opened(url) as engine:
        yield engine


async def check(url: str) -> None:
    """Open a database once, so that a bad one stops the start with one line."""
    async with opened(url):
        pass
