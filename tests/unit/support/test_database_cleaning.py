"""A PostgreSQL database is lent again only if nothing tells it from a new one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from diglot.storage.connect import create_engine
from support.database_cleaning import read_state
from support.engines import DATABASES, SQLITE, Database
from support.servers.in_process import bearer, serving

CHANGES = {
    "a table": "CREATE TABLE left_over (number int)",
    "a column": "ALTER TABLE contacts ADD COLUMN left_over int",
    "an index": "CREATE INDEX ON contacts (workspace)",
    "a schema": "CREATE SCHEMA left_over",
    "a function": "CREATE FUNCTION left_over() RETURNS int RETURN 1",
    "statistics": "ANALYZE alembic_version",
    "a truncated table": "TRUNCATE contacts CASCADE",
    "a target of statistics": "ALTER TABLE contacts ALTER COLUMN workspace SET STATISTICS 7",
    "another revision": "UPDATE alembic_version SET version_num = 'left_over'",
    "a setting": "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET jit = off', current_database()); END$$",
}
MANY_ROWS = """
INSERT INTO workspace_profiles SELECT number, repeat('x', 500) || number, 'UTC', NULL, 0
FROM generate_series(1, 300) AS number
"""


@pytest.fixture(params=[each for each in DATABASES if each is not SQLITE], ids=lambda database: database.name)
def server(request: pytest.FixtureRequest) -> Database:
    """Return each PostgreSQL server in turn."""
    result: Database = request.param
    return result


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Connect to a database without the engine."""
    connection: Any = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def is_vacuumed(url: str) -> bool:
    """Tell whether the server vacuums by itself: it may have analyzed a database, which is then not lent."""
    async with connected(url) as connection:
        return bool(await connection.fetchval("SHOW autovacuum") == "on")


async def test_rows_are_deleted(server: Database) -> None:
    """A database that an app wrote to is lent again, without its rows."""
    async with server.fresh() as first, serving(first) as app:
        headers = bearer(await app.key("misar", "one"))
        answer = await app.client.post("/mail/v1/contacts", json={"email": "a@example.com"}, headers=headers)
        assert answer.status_code == 201
    async with server.fresh() as second:
        assert second == first or await is_vacuumed(second)
        async with serving(second) as app:
            headers = bearer(await app.key("misar", "one"))
            assert (await app.client.get("/mail/v1/contacts", headers=headers)).json()["contacts"] == []


async def test_sessions_end(server: Database) -> None:
    """A session that a test leaves open has ended when the database is lent again."""
    async with server.fresh() as first:
        left: Any = await asyncpg.connect(first)
        await left.execute("BEGIN; LOCK TABLE contacts")
    async with server.fresh() as second:
        assert second == first or await is_vacuumed(second)
        engine = create_engine(second)
        await engine.open()
        await engine.close()
    assert left.is_closed()


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
async def test_a_change_is_seen(server: Database, statement: str) -> None:
    """A database that differs from a new one in more than rows has another state."""
    async with server.fresh() as url, connected(url) as connection:
        new = await read_state(connection)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement)
        assert await read_state(connection) != new
        await transaction.rollback()


@pytest.mark.parametrize("statement", [CHANGES["a column"], MANY_ROWS], ids=["a column", "many rows"])
async def test_a_changed_database_is_dropped(server: Database, statement: str) -> None:
    """A database is not lent again if a test changed more than a few rows."""
    async with server.fresh() as first, connected(first) as connection:
        await connection.execute(statement)
    async with server.fresh() as second:
        assert second != first
