"""Connects alembic to a SQLite file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import aiosqlite
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from diglot.storage.sql.database import Migrator
from diglot.storage.sql.sqlite_file import BUSY_SECONDS, parse_sqlite_path, prepare_file
from diglot.storage.sql.sqlite_module import sqlite3


def _create_engine(url: str) -> AsyncEngine:
    path = parse_sqlite_path(url)
    prepare_file(path)
    # SQLAlchemy would connect through Python's own module, and does not wrap the errors of another module.
    connector = partial(sqlite3.connect, path, timeout=BUSY_SECONDS)
    creator = partial(aiosqlite.Connection, connector, iter_chunk_size=64)
    return create_async_engine(f"sqlite+aiosqlite:///{path}", async_creator=creator, poolclass=pool.NullPool)


def _lock(connection: Connection) -> None:
    # The driver begins no transaction before DDL, so each table would be committed separately.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@asynccontextmanager
async def _begin(url: str) -> AsyncIterator[AsyncConnection]:
    engine = _create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_lock)
            yield connection
    finally:
        await engine.dispose()


MIGRATOR: Final = Migrator(_begin, (sqlite3.Error,))
