"""`/health` and `/ready`: the process is alive, and the server should get requests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from diglot.errors import DatabaseAway
from diglot.server.observability import readiness
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.families import SIZE
from diglot.storage.connect import create_engine, is_embedded
from diglot.storage.schema import revisions
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
from support.engines import Database
from support.servers.in_process import Server, serving

OK = {"database": "ok", "schema": "ok", "disk": "ok", "serving": "ok"}


@pytest_asyncio.fixture
async def own_server(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own, which looks at each part for each request."""
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    monkeypatch.setattr(readiness, "_SCHEMA_KEPT_SECONDS", 0.0)
    async with database.fresh() as url, serving(url) as server:
        yield server


async def ready(server: Server) -> tuple[int, dict[str, str]]:
    """Return the status and the body of `/ready`, whose first word must agree."""
    answer = await server.client.get("/ready")
    body = answer.json()
    assert body.pop("status") == ("ready" if answer.status_code == 200 else "not ready")
    return answer.status_code, body


async def execute(url: str, statement: str) -> None:
    """Execute a statement on an engine of its own."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(Statement(text(statement)))

    engine = create_engine(url)
    await engine.open()
    await engine.write(work)
    await engine.close()


async def test_a_healthy_server_is_ready(own_server: Server) -> None:
    """Neither page needs a key, and both answer HEAD."""
    assert await ready(own_server) == (200, OK)
    health = await own_server.client.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    for path in ("/health", "/ready"):
        head = await own_server.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert "x-request-id" in head.headers


async def test_a_database_that_is_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not ready, but alive: to restart it would not help."""
    monkeypatch.setattr(readiness, "_KEPT_SECONDS", 0.0)
    async with database.fresh() as url:
        kind = type(create_engine(url))

        async def away(_: object) -> None:
            raise DatabaseAway("no route to 192.0.2.1")

        monkeypatch.setattr(kind, "ping", away)
        async with serving(url) as server:
            assert await ready(server) == (503, OK | {"database": "unavailable"})
            assert "192.0.2.1" not in (await server.client.get("/ready")).text
            assert (await server.client.get("/health")).status_code == 200


async def test_another_revision(own_server: Server) -> None:
    """Another version migrated the database beneath the server; back again, it is ready."""
    await execute(own_server.url, "UPDATE alembic_version SET version_num = 'r999'")
    assert await ready(own_server) == (503, OK | {"schema": "another revision"})
    await execute(own_server.url, f"UPDATE alembic_version SET version_num = '{LATEST}'")
    assert await ready(own_server) == (200, OK)


async def test_a_revision_that_cannot_be_read(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database without another connection serves those that it has; the schema stays what it was."""

    async def refuse(_: str) -> str:
        raise DatabaseAway("sorry, too many clients already")

    for revision, state in ((LATEST, "ok"), ("r999", "another revision")):
        await execute(own_server.url, f"UPDATE alembic_version SET version_num = '{revision}'")
        before = await ready(own_server)
        with monkeypatch.context() as full:
            full.setattr(revisions, "read_revision", refuse)
            assert await ready(own_server) == before
        assert before[1]["schema"] == state


async def test_a_disk_that_is_almost_full(database: Database) -> None:
    """Only the disk of a file counts; 0 turns it off."""
    async with database.fresh() as url:
        async with serving(url, min_free_mib=1_048_576_000) as server:
            full = (503, OK | {"disk": "almost full"}) if is_embedded(url) else (200, OK)
            assert await ready(server) == full
        async with serving(url, min_free_mib=0) as server:
            assert (await server.client.get("/ready")).status_code == 200


async def test_a_server_that_drains(database: Database) -> None:
    """It says so at once, and goes on answering."""
    cells = SharedCells(SIZE)
    async with database.fresh() as url, serving(url, cells=cells) as server:
        assert await ready(server) == (200, OK)
        cells.drain()
        assert await ready(server) == (503, OK | {"serving": "draining"})
        assert (await server.client.get("/health")).status_code == 200
        assert (await server.client.get("/mail/v1/segments")).status_code == 401
