"""Connects alembic to a PostgreSQL database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import asyncpg
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from diglot.storage.sql.citus.cluster import require_cluster
from diglot.storage.sql.citus.tables import distribute_tables, find_local_tables
from diglot.storage.sql.database import Distributor, Migrator
from diglot.storage.sql.pool.postgresql_sessions import read_sessions
from diglot.storage.sql.postgresql_schema import CONNECT_SECONDS

# An arbitrary number, unlikely to be locked by another program.
_MIGRATION_LOCK: Final = 4_951_073_220_173
# Citus then changes the shards of a table one after another, because it refuses to do so in parallel after
# other statements of the transaction, and takes over no table that refers to one on every node, because it
# could not distribute that table later. A node that hangs fails the migration soon, not after half a minute.
# PostgreSQL accepts settings of an extension that is not there.
_FOR_CITUS: Final = (
    text("SET LOCAL citus.multi_shard_modify_mode = 'sequential'"),
    text("SET LOCAL citus.enable_local_reference_table_foreign_keys = off"),
    text("SET LOCAL citus.node_connection_timeout = '5s'"),
)


def _create_engine(url: str) -> AsyncEngine:
    # asyncpg parses the URL here as in the engine, because SQLAlchemy treats `sslmode` and other options
    # differently.
    connect = partial(read_sessions(url).connect, CONNECT_SECONDS)
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)


def _lock(connection: Connection) -> None:
    for setting in _FOR_CITUS:
        connection.execute(setting)
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})


@asynccontextmanager
async def _begin(url: str) -> AsyncIterator[AsyncConnection]:
    engine = _create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_lock)
            yield connection
    finally:
        await engine.dispose()


MIGRATOR: Final = Migrator(
    _begin,
    (asyncpg.PostgresError, asyncpg.InterfaceError),
    Distributor(require_cluster, distribute_tables, find_local_tables),
)
