"""Lookups of many addresses use their index, also if their plan was made when the table was small."""

from contextlib import closing
from typing import Any

import asyncpg

from diglot.service.parts import LARGEST_PART
from diglot.storage.contacts import address_prefix, event_histories
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from support import engines
from support.engines import ON_SERVERS, Database
from support.servers.api_clients import Misar, dialect_clients
from support.servers.in_process import serving

FEW = 60
MANY = 3_000
# Enough executions that the server keeps one plan for all of them.
EXECUTIONS = 8
_ROWS_SCANNED = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'contacts'"


async def _import(misar: Misar, count: int) -> None:
    rows = [{"email": f"{number}@example.com"} for number in range(count)]
    await misar.request("POST", "/contacts/import", {"contacts": rows})


@ON_SERVERS
async def test_an_old_plan_is_not_used(database: Database) -> None:
    """An import into a table that was analyzed when it was small does not scan it."""
    async with database.fresh() as url:
        async with serving(url) as server:
            misar, _ = await dialect_clients(server)
            for _ in range(EXECUTIONS):
                await _import(misar, FEW)
            await _run(url, "ANALYZE contacts")
            for _ in range(EXECUTIONS):
                await _import(misar, FEW)
            await _import(misar, MANY)
        # The sessions have ended, so the server knows what they read.
        # The few contacts may well be scanned, also for each address of the first part of the last import.
        assert await _run(url, _ROWS_SCANNED) <= 2 * EXECUTIONS * FEW**2 + LARGEST_PART * FEW


@ON_SERVERS
async def test_the_beginning_of_an_address_is_looked_up(database: Database) -> None:
    """The index of addresses has the order of the page, so nothing is sorted and no other row is read."""
    sql = address_prefix.PAGE_BY_PREFIX.sql_for(POSTGRESQL)
    bound = {"workspace": 1, "prefix": "12", "end": "12\U0010ffff", "limit": 26, "offset": 0}
    async with database.fresh() as url:
        async with serving(url) as server:
            misar, _ = await dialect_clients(server)
            await _import(misar, MANY)
        connection: Any = await asyncpg.connect(url)
        try:
            await connection.execute("ANALYZE contacts")
            values = [bound[name] for name in sql.parameter_names]
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql.text}", *values))
        finally:
            await connection.close()
    assert "Index Scan using" in plan
    assert "email >= " in plan
    assert "Sort" not in plan


async def _run(url: str, statement: str) -> Any:
    connection: Any = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_events_after_a_number_are_looked_up() -> None:
    """SQLite reads their numbers from an index first, and those that count without a subquery of its own."""
    async with engines.SQLITE.fresh() as url:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
            for statement in (event_histories._COUNTED_AFTER, event_histories._OF_MACHINES_AFTER):
                sql = statement.for_one.sql_for(SQLITE)
                rows = connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", [1] * len(sql.parameter_names))
                plan = [row[3] for row in rows]
                assert plan[-1] == "SEARCH found USING PRIMARY KEY (workspace=? AND event=?)"
                if statement is event_histories._COUNTED_AFTER:
                    assert len(plan) == 2
                    assert plan[0].startswith("SEARCH events USING COVERING INDEX events_of_stream")
