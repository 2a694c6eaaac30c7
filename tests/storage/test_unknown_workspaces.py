"""PostgreSQL finds rows by their keys also in a workspace of which it has no statistics yet.

A plan that is made anew then expects one row of the workspace, and would read all of them for each key.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import BigInteger, Column, Table, Text

from diglot.storage import bulk
from diglot.storage.audience import event_states
from diglot.storage.contacts import event_histories, queries
from diglot.storage.membership import crossings, instant_index, moved_instants
from diglot.storage.schema import contacts, events, field_instants
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.statement import BackendStatement
from support.engines import ON_SERVERS, Database
from support.servers.api_clients import dialect_clients
from support.servers.in_process import serving

MANY: Final = 3_000
KEYS: Final = range(8)
FILL: Final = f"""
INSERT INTO field_instants (workspace, field, instant, pk)
SELECT 1, 'created_at', n, n FROM generate_series(1, {MANY}) AS n
"""


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Any]:
    """Connect to a database with one workspace that is analyzed, and one with equal rows that is not."""
    async with database.fresh() as url:
        async with serving(url) as server:
            misar, _ = await dialect_clients(server)
            rows = [{"email": f"c{number}@example.com"} for number in range(MANY)]
            await misar.request("POST", "/contacts/import", {"contacts": rows})
            await server.key("misar", "other")
        connection: Any = await asyncpg.connect(url)
        await connection.execute(f"{FILL}; ANALYZE; {_copy(contacts)}; {_copy(field_instants)}")
        yield connection
        await connection.close()


def _copy(table: Table) -> str:
    """Return SQL that gives the second workspace the rows of the first one."""
    columns = ", ".join(column.name for column in table.columns if column.name != "workspace")
    return f"INSERT INTO {table.name} (workspace, {columns}) SELECT 2, {columns} FROM {table.name}"


@ON_SERVERS
async def test_contacts_are_looked_up_by_their_addresses(connection: Any) -> None:
    """The look-up of several contacts with the states of their events."""
    columns = contacts.c.email, Column("name0", Text()), bulk._PLACE
    keys = [(f"c{number}@example.com", "seen", number) for number in KEYS]
    plan = await _explain(connection, event_states._BY_EMAIL[0]._for_many, _encode(columns, keys))
    assert "contacts_email_workspace_key" in plan
    assert "contacts_pkey" not in plan


@ON_SERVERS
@pytest.mark.parametrize("is_set", [False, True], ids=["few", "many"])
async def test_imported_contacts_are_looked_up_by_their_addresses(connection: Any, is_set: bool) -> None:
    """The look-up of a part of an import, as few values have it, and as many do."""
    assert POSTGRESQL.plan_by_index is not None
    if is_set:
        await connection.execute("BEGIN")
        await connection.execute(POSTGRESQL.compile(POSTGRESQL.plan_by_index[0]).text)
    sent = {"row_email": [f"c{number}@example.com" for number in KEYS], queries._COUNT: len(KEYS)}
    plan = await _explain(connection, queries.SELECT_BY_EMAILS, sent)
    assert "contacts_email_workspace_key" in plan
    assert "contacts_pkey" not in plan


@ON_SERVERS
async def test_instants_are_found_by_their_fields(connection: Any) -> None:
    """The update and the deletion of several rows, and what a tick of the clock asks."""
    c = field_instants.c
    moved = [("created_at", number + 1, number + 1, number) for number in KEYS]
    columns = c.field, c.instant, c.pk, Column("moved_to", BigInteger)
    plan = await _explain(connection, moved_instants._MOVE._for_many, _encode(columns, moved))
    assert "(field = " in plan
    deleted = [(f, instant, pk) for f, instant, pk, _ in moved]
    plan = await _explain(connection, instant_index._DELETE._for_many, _encode(columns[:3], deleted))
    assert "(field = " in plan
    for select, more in ((crossings._FIRST_SINCE, {}), (crossings._IN_WINDOW, {"limit": 500})):
        asked = [(*("created_at", number, number + 1)[: len(select._columns)], number) for number in KEYS]
        sent = _encode((*select._columns, bulk._PLACE), asked) | more
        plan = await _explain(connection, select._for_many, sent)
        assert re.search(r"Index Cond: .*field = .*instant >= ", plan)


EVENTS: Final = f"""
INSERT INTO event_names (workspace, number, name) SELECT 2, g, 'n' || g FROM generate_series(1, 5) AS g;
INSERT INTO events (workspace, event, id, pk, kind, name, stream, happened_at, created_at, body)
SELECT 2, g, g::text, 1 + g % 25, 'other', 'n' || (1 + g % 5), 1 + g / 25 % 5, g, g, '{{}}'
FROM generate_series(1, {MANY}) AS g
"""


@ON_SERVERS
@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_events_are_found_by_their_contacts(connection: Any, is_analyzed: bool) -> None:
    """The events of several contacts with a name, and those that machines caused.

    A plan may read the events of the workspace for each contact until it is analyzed, but not for each event.
    """
    if is_analyzed:
        await connection.execute(EVENTS.replace("SELECT 2,", "SELECT 1,") + "; ANALYZE")
    await connection.execute(EVENTS)
    counted, of_machines = event_histories._COUNTED_AFTER, event_histories._OF_MACHINES_AFTER
    keys = [(1 + number, 0, 0, 1) for number in KEYS]
    columns = events.c.pk, events.c.event, events.c.happened_at, events.c.stream
    for statement, width in ((counted, 4), (of_machines, 3)):
        sent = _encode((*columns[:width], bulk._PLACE), [(*key[:width], key[0]) for key in keys])
        assert await _count_blocks(connection, statement._for_many, sent) < 10 * MANY
    one = {"row_pk": 1, "row_event": 0, "row_happened_at": 0, "row_stream": 1}
    assert await _count_blocks(connection, counted.for_one, one) < MANY


async def _count_blocks(connection: Any, statement: BackendStatement, sent: dict[str, Any]) -> int:
    """Return how many blocks a statement reads, of the plan that is made anew and of the kept one."""
    sql = statement.sql_for(POSTGRESQL)
    bound = sql.positional_values({**sent, "workspace": 2, "in_workspace": 2})
    blocks = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET plan_cache_mode = {mode}")
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {sql.text}", *bound)
        buffers = next(row[0] for row in rows if "Buffers:" in row[0])
        blocks.append(int(buffers.split("hit=")[1].split()[0]))
    return max(blocks)


def _encode(columns: Sequence[Any], keys: Sequence[Sequence[Any]]) -> dict[str, Any]:
    assert POSTGRESQL.many_rows is not None
    sent = POSTGRESQL.many_rows.encode(dict(zip(columns, zip(*keys, strict=True), strict=True)))
    return {**sent, bulk._COUNT: len(keys)}


async def _explain(connection: Any, statement: BackendStatement, sent: dict[str, Any]) -> str:
    """Return the plan of a statement for the second workspace, after it was executed often."""
    sql = statement.sql_for(POSTGRESQL)
    bound = sql.positional_values({**sent, "workspace": 2, "in_workspace": 2})
    texts = [str(one) if isinstance(one, int | str) else f"{{{','.join(map(str, one))}}}" for one in bound]
    literals = [await connection.fetchval("SELECT quote_literal($1::text)", one) for one in texts]
    await connection.execute(f"PREPARE often AS {sql.text}")
    execute = f"EXECUTE often ({', '.join(literals)})"
    for _ in range(10):
        await connection.execute(execute)
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {execute}"))
    await connection.execute("DEALLOCATE often")
    return plan
