"""Upgrades of the schema by alembic; only what has to upgrade a database imports this module."""

from functools import partial
from pathlib import Path
from typing import Final

import aiosqlite
import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from diglot.errors import Misconfigured
from diglot.storage.schema.revisions import LATEST, is_behind
from diglot.storage.sql.engine import is_postgresql
from diglot.storage.sql.postgresql import CONNECT_SECONDS
from diglot.storage.sql.sqlite_file import BUSY_SECONDS, parse_sqlite_path, prepare_file
from diglot.storage.sql.sqlite_module import sqlite3

# Any number that no other program is likely to lock: two servers must not migrate at once.
_MIGRATION_LOCK: Final = 4_951_073_220_173
# What a database that cannot be used raises; a URL that cannot be read is a ValueError.
_DATABASE_ERRORS: Final = (
    *(TimeoutError, OSError, ValueError, SQLAlchemyError, sqlite3.Error, CommandError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError),
)


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _create_engine(url: str) -> AsyncEngine:
    if is_postgresql(url):
        # asyncpg reads the URL, here as in the engine: the two libraries differ about `sslmode` and others.
        connect = partial(asyncpg.connect, url, timeout=CONNECT_SECONDS)
        return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)
    path = parse_sqlite_path(url)
    prepare_file(path)
    # SQLAlchemy itself would connect through Python's own module, and it does not wrap the errors of another.
    connector = partial(sqlite3.connect, path, timeout=BUSY_SECONDS)
    creator = partial(aiosqlite.Connection, connector, iter_chunk_size=64)
    return create_async_engine(f"sqlite+aiosqlite:///{path}", async_creator=creator, poolclass=pool.NullPool)


def _lock(connection: Connection) -> None:
    """Have other processes wait until the transaction ends, so that each upgrade happens once and whole."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
    else:
        # The driver itself begins none before DDL, and would commit each table alone.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _run_upgrade(connection: Connection) -> str | None:
    _lock(connection)
    before = MigrationContext.configure(connection).get_current_revision()
    if is_behind(before):
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before


async def upgrade_schema(url: str) -> tuple[str | None, str]:
    """Bring a database to the latest revision; return the one before and the one after."""
    try:
        engine = _create_engine(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(_run_upgrade), LATEST
        finally:
            await engine.dispose()
    except _DATABASE_ERRORS as error:
        raise Misconfigured(f"the database cannot be migrated: {_error_reason(error)}") from error


def _error_reason(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    unread = "its URL cannot be read: " if isinstance(error, ValueError) else ""
    return unread + (str(error).partition("\n")[0] or type(error).__name__)
