"""Schema history: alembic migrations, run by `diglot migrate` and at the start of an embedded server."""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from diglot.errors import Misconfigured
from diglot.storage.engine import sqlite_path
from diglot.storage.postgresql import CONNECT_SECONDS
from diglot.storage.sqlite import prepare

# Any number that no other program is likely to lock: two servers must not migrate at once.
_LOCK: Final = 4_951_073_220_173
# What a database that cannot be used raises; a URL that cannot be read is a ValueError.
_UNUSABLE: Final = (
    *(TimeoutError, OSError, ValueError, SQLAlchemyError, sqlite3.Error),
    *(asyncpg.PostgresError, asyncpg.InterfaceError),
)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def latest() -> str:
    """Return the revision that this version of Diglot needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _engine(url: str) -> AsyncEngine:
    if url.startswith(("postgresql://", "postgres://")):
        # asyncpg reads the URL, here as in the engine: the two libraries differ about `sslmode` and others.
        connect = partial(asyncpg.connect, url, timeout=CONNECT_SECONDS)
        return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)
    path = sqlite_path(url)
    prepare(path)
    return create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=pool.NullPool)


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = MigrationContext.configure(connection).get_current_revision()
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, latest()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def upgrade(url: str) -> tuple[str | None, str]:
    """Bring a database to the latest revision; return the one before and the one after."""
    try:
        engine = _engine(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(_upgrade)
        finally:
            await engine.dispose()
    except _UNUSABLE as error:
        raise Misconfigured(f"the database cannot be migrated: {_reason(error)}") from error


async def require_latest(url: str) -> None:
    """Raise `Misconfigured` when the database is not at the revision that this version needs."""
    try:
        engine = _engine(url)
        try:
            async with engine.connect() as connection:
                current = await connection.run_sync(_current)
        finally:
            await engine.dispose()
    except _UNUSABLE as error:
        raise Misconfigured(f"the database cannot be opened: {_reason(error)}") from error
    if current != latest():
        state = "has no tables yet" if current is None else f"is at revision {current}, not {latest()}"
        raise Misconfigured(f"the database {state}: run `diglot migrate` first")


def _reason(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    unread = "its URL cannot be read: " if isinstance(error, ValueError) else ""
    return unread + (str(error).partition("\n")[0] or type(error).__name__)
