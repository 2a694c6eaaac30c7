"""Diglot behind pgbouncer in transaction mode: migrated, served, and faulty as without it."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from diglot.dialects.registry import DIALECTS
from diglot.errors import DatabaseBusy, DeadlineExceeded
from diglot.storage.connect import create_engine, open_for_serving
from diglot.storage.database_urls import write_statement_cache
from diglot.storage.sql.engine import Engine, Limits, Transaction
from diglot.storage.sql.pool.postgresql_sessions import read_sessions
from diglot.storage.sql.statement import Statement
from support.engines import POOLED, bundled
from support.reporting import SEED, Tally
from support.servers.command import server_command
from support.servers.in_process import bearer
from support.servers.pgbouncer import SESSIONS, Pgbouncer, pooler_of
from support.servers.process import ServerProcess, running

pytestmark = pytest.mark.pgbouncer
CLIENTS = 24
REQUESTS = 40
LIMITS = Limits(connections=12, read_seconds=3, wait_seconds=2, queue_seconds=20)
_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
SLEEP = Statement(text("SELECT pg_sleep(20)"))
ONE = Statement(text("SELECT 1"))


@pytest.fixture
def pooler() -> Pgbouncer:
    """Return the pooler that is shared by all tests."""
    return pooler_of(bundled())


@pytest_asyncio.fixture
async def empty() -> AsyncIterator[str]:
    """Lend a database without tables: the URL that an operator writes."""
    async with POOLED.empty() as url:
        yield read_sessions(url).url


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    """Lend an engine with short limits, as a server opens it."""
    async with POOLED.fresh() as url:
        engine = create_engine(url, LIMITS)
        await open_for_serving(engine, url)
        yield engine
        await engine.close()


def _run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator who has set what all processes share in the environment."""
    _, settings = server_command(url)
    settings |= {"DIGLOT_DATABASE": url, "DIGLOT_STATEMENT_CACHE": "0"}
    command = (sys.executable, "-m", "diglot", *arguments)
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)


async def test_migrated_and_served_to_many(empty: str, tally: Tally, pytestconfig: pytest.Config) -> None:
    """More clients than connections, and more connections than sessions: every answer is right."""
    for said in ("was empty", "already"):
        migrated = await asyncio.to_thread(_run, empty, "migrate")
        assert said in migrated.stdout, migrated.stderr
    options = ("--statement-cache", "0", "--workers", "2", "--rate-limits", "100000")
    async with running(empty, *options) as served:
        server = ServerProcess(served.base, write_statement_cache(empty, 0))
        keys = {dialect.name: await server.key(dialect.name) for dialect in DIALECTS}
        statuses: Counter[int] = Counter()
        async with httpx.AsyncClient(base_url=served.base, timeout=60) as http:
            rngs = [Random(f"{pytestconfig.stash[SEED]} {number}") for number in range(CLIENTS)]
            visits = (_visit(http, keys, number, rng, statuses) for number, rng in enumerate(rngs))
            await asyncio.gather(*visits)
            assert await _sessions(server.url) <= SESSIONS
            assert (await http.get("/ready")).status_code == 200
            page = await http.get("/mail/v1/contacts?limit=1", headers=bearer(keys["misar"]))
        assert page.json()["pagination"]["total"] == CLIENTS
        assert set(statuses) == {200, 201}, statuses
        tally("answers behind pgbouncer", "pgbouncer", statuses.total())
    checked = await asyncio.to_thread(_run, empty, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def _visit(
    http: httpx.AsyncClient, keys: Any, number: int, rng: Random, statuses: Counter[int]
) -> None:
    """Create a contact and a segment of it, then read and write them in both dialects."""
    tag = f"tag{number}"
    rules = {"match": "all", "rules": [{"field": "tags", "operator": "contains", "value": tag}]}
    topmail, misar = bearer(keys["topmail"]), bearer(keys["misar"])

    async def ask(method: str, path: str, body: Any = None) -> Any:
        headers = topmail if path.startswith("/api") else misar
        answer = await http.request(method, path, json=body, headers=headers)
        statuses[answer.status_code] += 1
        return answer.json()

    contact = await ask("POST", "/api/v1/contacts", {"email": f"{number}@example.com", "tags": [tag]})
    segment = await ask("POST", "/api/v1/segments", {"name": tag, "conditions": rules})
    id_, is_member = contact["data"]["id"], True
    members = f"/api/v1/segments/{segment['data']['id']}/contacts"
    for _ in range(REQUESTS):
        if rng.random() < 0.5:
            is_member = not is_member
            await ask("PATCH", f"/api/v1/contacts/{id_}", {"tags": [tag] if is_member else []})
        if rng.random() < 0.3:
            await ask("GET", "/mail/v1/segments?limit=5")
        found = await ask("GET", members)
        assert [one["id"] for one in found["data"]] == ([id_] if is_member else [])


async def _sessions(url: str) -> int:
    session = await read_sessions(url).connect(10)
    try:
        return int(await session.fetchval(_SESSIONS))
    finally:
        await session.close()


async def test_the_default_is_refused_in_one_line(empty: str) -> None:
    """Without the setting the pooler refuses the start of a session, and the message says what it refuses."""
    engine = create_engine(empty)
    with pytest.raises(Exception, match="unsupported startup parameter"):
        await engine.open()


async def test_a_transaction_has_the_settings_of_the_pool(engine: Engine) -> None:
    """They end with it, so that no other client of the session gets them."""
    names = ("statement_timeout", "lock_timeout", "jit")
    show = Statement(text("SELECT " + ", ".join(f"current_setting('{name}')" for name in names)))

    async def look(transaction: Transaction) -> tuple[Any, ...]:
        row = await transaction.fetch_one(show)
        assert row is not None
        return tuple(row)

    assert await engine.read(look) == ("3s", "2s", "off")
    assert await engine.write(look) == ("3s", "2s", "off")
    assert await engine.in_background().write(look) == ("0", "1min", "off")
    afterwards = {await engine.point_read(look) for _ in range(3 * SESSIONS)}
    assert afterwards == {("0", "0", "on")}


async def test_a_lock_and_a_long_read_end_in_time(engine: Engine) -> None:
    """A request is told that the database is busy, or that its read took too long."""
    lock = Statement(text("LOCK TABLE workspaces"))
    locked, done = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Transaction) -> None:
        await transaction.execute(lock)
        locked.set()
        await done.wait()

    holding = asyncio.create_task(engine.in_background().write(hold))
    await locked.wait()
    with pytest.raises(DatabaseBusy):
        await engine.write(lambda tx: tx.execute(lock), workspace=1)
    done.set()
    await holding
    with pytest.raises(DeadlineExceeded):
        await engine.read(lambda tx: tx.fetch_one(SLEEP), workspace=1)
    await engine.read(lambda tx: tx.fetch_one(ONE), workspace=1)


async def test_a_busy_pooler_is_not_away(engine: Engine) -> None:
    """The probe waits for a session as requests do, and says nothing as long as they are served."""

    async def rest(transaction: Transaction) -> None:
        await transaction.fetch_one(Statement(text("SELECT pg_sleep(1)")))

    units = [asyncio.create_task(engine.read(rest, workspace=number)) for number in range(4 * SESSIONS)]
    await asyncio.sleep(0.1)
    await engine.ping()
    await asyncio.gather(*units)
    assert not engine.usage().errors


async def test_a_restart_of_the_pooler_is_hardly_seen(engine: Engine, pooler: Pgbouncer) -> None:
    """Dead connections cost no request once it is back."""
    read = Statement(text("SELECT count(*) FROM workspaces"))
    await asyncio.gather(*(engine.read(lambda tx: tx.fetch_one(read), workspace=1) for _ in range(3)))
    await asyncio.to_thread(pooler.stop)
    await asyncio.to_thread(pooler.start)
    assert await engine.read(lambda tx: tx.fetch_one(read), workspace=1)
    await engine.ping()
