"""Conditions about many rows of other tables: PostgreSQL never goes through all of them for each contact."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg

from diglot.conditions import tree
from diglot.storage.contacts import scans
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from support import canonical
from support.engines import ON_SERVERS, Database
from support.servers.api_clients import Misar, dialect_clients
from support.servers.in_process import serving

MANY: Final = 3_000
NOW: Final = 1_790_000_000_000_000
# The server expects that about 2,000 keys fit into the memory of a hash table.
LITTLE_MEMORY: Final = "SET work_mem = '64kB'; SET hash_mem_multiplier = 1"
FILL: Final = """
INSERT INTO lists (workspace, list, id, name, name_fold, created_at, updated_at)
VALUES (1, 1, '0198a000-bbbb-7000-8000-00000000000a', 'l', 'l', 0, 0);
INSERT INTO list_members (workspace, list, pk) SELECT workspace, 1, pk FROM contacts;
INSERT INTO event_names (workspace, number, name) VALUES (1, 1, 'a');
INSERT INTO event_states (workspace, pk, stream, count, first_at, last_at, revenue, recent)
SELECT workspace, pk, 1, 1, 0, 0, '0', '' FROM contacts;
ANALYZE;
"""
# Each is true of all contacts here.
RULES: Final = (
    {"field": "lists", "operator": "is_set"},
    {"field": "lists", "operator": "in", "operand": ["0198a000-bbbb-7000-8000-00000000000a"]},
    {"field": "events.a.count", "operator": "gte", "operand": 1},
    {"field": "events.a.count", "operator": "lt", "operand": 5},
    {"field": "events.a.last_at", "operator": "is_set"},
    {"field": "events.a.count.30d", "operator": "lt", "operand": 5},
)
ANY_OF: Final = canonical.read({"field": "first_name", "operator": "equals", "operand": "Ada"})
# How SQL says the same with IN.
LOOP: Final = (
    "SELECT count(*) FROM contacts WHERE workspace = 1 AND (pk IN (SELECT pk FROM list_members)) IS NOT TRUE"
)


@ON_SERVERS
async def test_no_loop_over_all_keys(database: Database) -> None:
    """A rule, its negation and a group of any with it have a plan that reads each key a few times."""
    async with database.fresh() as url:
        async with serving(url) as server:
            misar, _ = await dialect_clients(server)
            await _import(misar)
        connection: Any = await asyncpg.connect(url)
        try:
            await connection.execute(FILL)
            await connection.execute(LITTLE_MEMORY)
            assert "Materialize" in await _explain(connection, LOOP, ())
            for rule in RULES:
                node = canonical.read(rule)
                assert await _count(connection, node) == MANY
                assert await _count(connection, tree.Not(node)) == 0
                assert await _count(connection, tree.Any((ANY_OF, node))) == MANY
        finally:
            await connection.close()


async def _import(misar: Misar) -> None:
    rows = [{"email": f"{number}@example.com"} for number in range(MANY)]
    await misar.request("POST", "/contacts/import", {"contacts": rows})


async def _count(connection: Any, node: tree.Node) -> int:
    """Return how many contacts match, after a look at the plan."""
    statement = scans.build_scan(scans.COUNT, node, POSTGRESQL, NOW, ZoneInfo("UTC"))
    sql = statement.sql_for(POSTGRESQL)
    values = sql.positional_values(statement.values | {"workspace": 1})
    assert "Materialize" not in await _explain(connection, sql.text, values)
    return int(await connection.fetchval(sql.text, *values))


async def _explain(connection: Any, sql: str, values: Any) -> str:
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))
