"""Reads the state of the schema of a PostgreSQL database, on a connection of its own."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import asyncpg

from diglot.errors import DatabaseAway, Misconfigured
from diglot.storage.sql.pool.postgresql_failures import is_temporary
from diglot.storage.sql.pool.postgresql_sessions import Connection, read_sessions
from diglot.storage.sql.postgresql import UNUSABLE, describe_refusal

T = TypeVar("T")
CONNECT_SECONDS: Final = 10
_HAS_CITUS: Final = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"
# The tables that Citus distributes or copies to every node; others that it knows are on one node only.
_PLACED: Final = """
SELECT name FROM unnest($1::text[]) AS name JOIN pg_dist_partition ON logicalrelid = to_regclass(name)
WHERE partkey IS NOT NULL OR repmodel = 't'
"""


async def read_revision(url: str) -> str | None:
    """Return the schema revision of a database, or None if it has no tables.

    Raise `DatabaseAway` if the database does not answer now, `Misconfigured` if it never will.
    """
    return await _ask(url, _read_revision)


async def find_local_tables(url: str, tables: Sequence[str]) -> Sequence[str]:
    """Return which of the tables are on one node only, although others are distributed.

    Raise `DatabaseAway` or `Misconfigured`, as `read_revision` does.
    """
    return await _ask(url, partial(_find_local_tables, tables=tables))


async def _read_revision(connection: Connection) -> str | None:
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision


async def _find_local_tables(connection: Connection, tables: Sequence[str]) -> Sequence[str]:
    if not await connection.fetchval(_HAS_CITUS):
        return ()
    placed = {name for (name,) in await connection.fetch(_PLACED, tables)}
    return [name for name in tables if name not in placed] if placed else ()


async def _ask(url: str, ask: Callable[[Connection], Awaitable[T]]) -> T:
    try:
        connection = await read_sessions(url).connect(CONNECT_SECONDS)
        try:
            return await ask(connection)
        finally:
            await connection.close()
    except UNUSABLE as error:
        if is_temporary(error):
            raise DatabaseAway(describe_refusal(error)) from error
        raise Misconfigured(describe_refusal(error)) from error
