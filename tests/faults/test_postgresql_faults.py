"""PostgreSQL fails: requests fail in time and say why, nothing that was acknowledged is lost, it recovers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlalchemy import text

from diglot.errors import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseReadOnly,
    DeadlineExceeded,
    Misconfigured,
    Unavailable,
)
from diglot.storage import workspaces
from diglot.storage.connect import create_engine, open_for_serving
from diglot.storage.schema import revisions
from diglot.storage.sql.engine import Engine, Limits, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import bind_workspace
from support.engines import set_revision
from support.servers.own_postgres import OwnPostgres, own_postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a client may wait for an answer, on a machine that is busy.
ANSWER_SECONDS = 10
LIMITS = Limits(connections=6, read_seconds=4, wait_seconds=2, queue_seconds=20)
SLEEP = Statement(text("SELECT pg_sleep(60)"))
SESSION = Statement(text("SELECT pg_backend_pid()"))
LOSE_A_NODE = Statement(
    text("DO $$ BEGIN RAISE SQLSTATE '08006' USING MESSAGE = 'connection to the node failed'; END $$")
)
TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'diglot' AND pid <> pg_backend_pid()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def postgres() -> AsyncIterator[OwnPostgres]:
    """Lend a server that the tests of this module stop and freeze."""
    async with own_postgres() as lent:
        yield lent


@pytest_asyncio.fixture(loop_scope="module")
async def engine(postgres: OwnPostgres) -> AsyncIterator[Engine]:
    """Lend an engine with short limits, as a server opens it."""
    engine = create_engine(postgres.url, LIMITS)
    await open_for_serving(engine, postgres.url)
    yield engine
    await engine.close()


async def read(engine: Engine, workspace: int = 1) -> list[str]:
    """Return the names of the workspaces."""
    return [made.name for made in await engine.read(workspaces.list_all, workspace=workspace)]


async def write(engine: Engine, name: str, workspace: int = 1) -> None:
    """Create a workspace."""
    await engine.write(lambda tx: workspaces.create(tx, name, "UTC", 0), workspace=workspace)


async def find_sessions(engine: Engine) -> set[int]:
    """Return the sessions that serve three units at a time."""
    together = asyncio.Barrier(3)

    async def work(transaction: Transaction) -> int:
        row = await transaction.fetch_one(SESSION)
        await together.wait()
        assert row is not None
        return int(row[0])

    return set(await asyncio.gather(*(engine.read(work, workspace=1) for _ in range(3))))


async def sleep(transaction: Transaction) -> None:
    """Read for a minute."""
    await transaction.fetch_one(SLEEP)


async def recovered(attempt: Callable[[], Awaitable[Any]]) -> None:
    """Wait until an attempt succeeds; until then it may fail only because the database is unavailable."""
    async with asyncio.timeout(30):
        while True:
            try:
                await attempt()
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def fails(attempt: Awaitable[Any], kind: type[Unavailable]) -> None:
    """Expect that an attempt fails in time."""
    began = time.monotonic()
    with pytest.raises(kind):
        await attempt
    assert time.monotonic() - began < ANSWER_SECONDS


async def test_a_restart_is_hardly_seen(engine: Engine, postgres: OwnPostgres) -> None:
    """Dead connections of the pool cost no request, and what was written is there."""
    await write(engine, "before the restart")
    await asyncio.gather(*(read(engine) for _ in range(3)))
    await asyncio.to_thread(postgres.restart)
    assert "before the restart" in await read(engine)
    await write(engine, "after the restart")
    await engine.ping()


async def test_an_outage(engine: Engine, postgres: OwnPostgres, caplog: pytest.LogCaptureFixture) -> None:
    """All requests fail fast while the server is away; then the engine recovers by itself."""
    await write(engine, "before the outage")
    await asyncio.to_thread(postgres.stop)
    try:
        for _ in range(50):
            await fails(read(engine), DatabaseAway)
            await fails(write(engine, "lost"), DatabaseAway)
        await fails(engine.ping(), DatabaseAway)
    finally:
        await asyncio.to_thread(postgres.start)
    await recovered(lambda: write(engine, "after the outage"))
    await engine.ping()
    found = await read(engine)
    assert {"before the outage", "after the outage"} <= set(found)
    assert "lost" not in found
    assert 1 <= caplog.text.count("database away") <= 20, "a bounded rate"
    assert "Traceback" not in caplog.text
    assert engine.usage().errors["away"] >= 100


async def test_a_server_that_hangs(engine: Engine, postgres: OwnPostgres) -> None:
    """Requests in progress end in time, later ones at once, and all works when the server goes on."""
    await read(engine)
    async with postgres.frozen():
        await asyncio.gather(
            fails(read(engine), DatabaseAway),
            fails(write(engine, "hanging"), DatabaseAway),
            fails(engine.ping(), DatabaseAway),
            # Those that wait for a connection may give up before the server is known to hang.
            *(fails(read(engine, workspace), Unavailable) for workspace in range(2, 20)),
        )
        await fails(read(engine), DatabaseAway)
    await recovered(lambda: read(engine))
    await engine.ping()
    await write(engine, "after hanging")


async def test_terminated_connections_are_replaced(engine: Engine, postgres: OwnPostgres) -> None:
    """A read is tried again on a new connection, and so is a write that has not begun."""
    for attempt in (lambda: read(engine), lambda: write(engine, "terminated"), engine.ping):
        await asyncio.gather(*(read(engine) for _ in range(3)))
        assert await postgres.execute(TERMINATE) >= 1
        await attempt()


async def test_a_read_that_is_terminated_runs_again(engine: Engine, postgres: OwnPostgres) -> None:
    """The second run of a unit answers the request."""
    runs = 0

    async def work(transaction: Transaction) -> int:
        nonlocal runs
        runs += 1
        if runs == 1:
            await postgres.execute(TERMINATE)
        await workspaces.list_all(transaction)
        return runs

    assert await engine.read(work, workspace=1) == 2


async def test_a_lost_node_costs_no_connection(engine: Engine) -> None:
    """Citus reports it as a failed connection, but the connection to the server that reports it is well."""
    runs = 0

    async def work(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        await transaction.execute(LOSE_A_NODE)

    before = await find_sessions(engine)
    for unit in (engine.read, engine.write, engine.point_read):
        await fails(unit(work), DatabaseAway)
    assert runs == 3
    assert await find_sessions(engine) == before
    await engine.ping()


async def test_a_locked_table(engine: Engine, postgres: OwnPostgres) -> None:
    """Whoever needs the table is told in time; other tables and the ping go on."""
    async with postgres.session() as other:
        await other.execute("BEGIN; LOCK TABLE workspace_profiles")
        waiting = [asyncio.ensure_future(fails(read(engine), DatabaseBusy)) for _ in range(12)]
        await asyncio.sleep(0.2)
        await engine.ping()
        assert await engine.read(lambda tx: tx.fetch_one(Statement(text("SELECT 1"))), workspace=2)
        assert not any(unit.done() for unit in waiting)
        await asyncio.gather(*waiting)
    await read(engine)


@pytest.mark.parametrize("state", ["40P01", "40001"])
async def test_what_another_transaction_prevents_may_be_retried(engine: Engine, state: str) -> None:
    """A deadlock and a failed serialization are no bugs: requests get 503, whatever kind of unit it is."""
    stop = Statement(text(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$"))
    before = await find_sessions(engine)
    for unit in (engine.read, engine.write, engine.point_read, engine.run_ephemeral):
        await fails(unit(lambda tx: tx.execute(stop)), DatabaseBusy)
    assert await find_sessions(engine) == before


async def test_a_deadlock(engine: Engine) -> None:
    """One of two writers that wait for each other is told to retry, the other one commits."""
    both = asyncio.Barrier(2)
    for name in ("first", "second"):
        await write(engine, name)

    async def rename(transaction: Transaction, names: list[str]) -> None:
        for name in names:
            update = f"UPDATE workspace_profiles SET time_zone = 'UTC' WHERE name = '{name}'"
            await transaction.execute(Statement(text(update)))
            await transaction.send_writes()
            if name == names[0]:
                await both.wait()

    orders = (["first", "second"], ["second", "first"])
    units = [engine.write(partial(rename, names=names)) for names in orders]
    results = await asyncio.gather(*units, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["DatabaseBusy", "NoneType"]


async def test_writers_of_one_workspace_leave_connections_to_others(
    engine: Engine, postgres: OwnPostgres
) -> None:
    """Writers that wait for the lock of their workspace hold few connections."""
    await write(engine, "crowded")
    update = "UPDATE workspaces SET time_zone = 'UTC'"
    lock = Statement(text(update))
    async with postgres.session() as other:
        await other.execute(f"BEGIN; {update}")
        waiting = [
            asyncio.ensure_future(engine.write(lambda tx: tx.execute(lock), workspace=1)) for _ in range(20)
        ]
        await asyncio.sleep(0.3)
        assert engine.usage().pools["connections"].in_use == 2
        await read(engine, workspace=1)
        await write(engine, "beside the crowd", workspace=2)
        await other.execute("COMMIT")
    await asyncio.gather(*waiting)


async def test_a_long_read_ends(engine: Engine) -> None:
    """A read ends at its deadline; a read in the background does not."""
    background = asyncio.ensure_future(engine.in_background().read(sleep))
    await fails(engine.read(sleep, workspace=1), DeadlineExceeded)
    await asyncio.sleep(1)
    assert not background.done()
    background.cancel()
    await asyncio.gather(background, return_exceptions=True)
    await read(engine)


async def test_a_short_unit_of_the_background_ends(engine: Engine, postgres: OwnPostgres) -> None:
    """One with a deadline ends at it, whatever it waits for; those without cannot take all turns."""
    background = engine.in_background()
    long = [asyncio.ensure_future(background.read(sleep)) for _ in range(3)]
    await asyncio.sleep(0.2)
    await fails(background.read(sleep, seconds=0.5), DeadlineExceeded)
    await fails(background.write(sleep, seconds=0.5), DeadlineExceeded)

    async def stall(transaction: Transaction) -> None:
        await asyncio.sleep(2)
        await transaction.fetch_one(SESSION)

    await fails(background.read(stall, seconds=0.1), DeadlineExceeded)
    await write(engine, "locked")
    async with postgres.session() as other:
        await other.execute("BEGIN; LOCK TABLE workspace_profiles")
        rename = bind_workspace(1, partial(workspaces.rename, name="renamed"))
        await fails(background.write(rename, seconds=0.5), DatabaseBusy)
    for unit in long:
        assert unit.cancel()
    await asyncio.gather(*long, return_exceptions=True)
    await read(engine)


async def test_no_writes_for_a_while(engine: Engine, postgres: OwnPostgres) -> None:
    """Sessions that began read-only are dropped, so that writes succeed as soon as they can."""
    database = urlsplit(postgres.url).path.removeprefix("/")
    await postgres.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    await postgres.execute(TERMINATE)
    await fails(write(engine, "read only"), DatabaseReadOnly)
    await read(engine)
    await fails(engine.ping(), DatabaseReadOnly)
    await postgres.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    await fails(write(engine, "read only"), DatabaseReadOnly)
    await write(engine, "writable")
    await engine.ping()
    assert "read only" not in await read(engine)


async def test_a_server_without_another_connection(postgres: OwnPostgres) -> None:
    """An engine gets along with the connections that it has, and reports it if it has none."""
    await postgres.execute("ALTER SYSTEM SET max_connections = 8")
    await postgres.execute("ALTER SYSTEM SET superuser_reserved_connections = 0")
    await postgres.execute("ALTER SYSTEM SET max_wal_senders = 0")
    await asyncio.to_thread(postgres.restart)
    engine = create_engine(postgres.url, LIMITS)
    await open_for_serving(engine, postgres.url)
    others: list[Any] = []
    try:
        await engine.ping()
        others = await _take_all(postgres)
        await asyncio.gather(*(read(engine, workspace) for workspace in range(20)))
        assert engine.usage().pools["connections"].size <= 2
        await engine.ping()
    finally:
        await engine.close()
        for one in others:
            one.terminate()
        await postgres.execute("ALTER SYSTEM RESET ALL")
        await asyncio.to_thread(postgres.restart)


async def _take_all(postgres: OwnPostgres) -> list[Any]:
    """Open sessions until the server refuses another."""
    import asyncpg  # noqa: PLC0415

    taken: list[Any] = []
    while True:
        try:
            taken.append(await asyncpg.connect(postgres.url))
        except asyncpg.TooManyConnectionsError:
            return taken


async def test_a_database_that_is_away_at_the_start(postgres: OwnPostgres) -> None:
    """An engine opens without its database, and checks it when it answers."""
    await asyncio.to_thread(postgres.stop)
    engine = create_engine(postgres.url, LIMITS)
    try:
        await open_for_serving(engine, postgres.url)
        await fails(read(engine), DatabaseAway)
    finally:
        await asyncio.to_thread(postgres.start)
    await recovered(lambda: read(engine))
    await write(engine, "after the start")
    await engine.close()


async def test_a_wrong_schema_is_found_late(postgres: OwnPostgres) -> None:
    """The check of the schema waits for the database; until it passes, requests fail."""
    await set_revision(postgres.url, "r000")
    with pytest.raises(Misconfigured, match="r000"):
        await open_for_serving(create_engine(postgres.url, LIMITS), postgres.url)
    await asyncio.to_thread(postgres.stop)
    engine = create_engine(postgres.url, LIMITS)
    try:
        await open_for_serving(engine, postgres.url)
    finally:
        await asyncio.to_thread(postgres.start)
    async with asyncio.timeout(20):
        while "r000" not in str(await _failure_of(engine)):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)
    await set_revision(postgres.url, revisions.LATEST)
    await recovered(lambda: read(engine))
    await engine.close()


async def _failure_of(engine: Engine) -> DatabaseAway:
    with pytest.raises(DatabaseAway) as caught:
        await read(engine)
    return caught.value
