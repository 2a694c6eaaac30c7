"""Revoked keys, and concurrent requests: on one row, in one workspace, and with clients that leave."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import select

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.service.access.keys import Keys
from diglot.storage.connect import create_engine
from diglot.storage.schema import contacts, workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
from support.engines import POOLED_TOO, SQLITE, Database
from support.servers.asgi import Request, send_request
from support.servers.in_process import Server, bearer, serving

pytestmark = POOLED_TOO
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
PARALLEL = 50
MAX_SECONDS = 1.0

_ROWS = Statement(select(contacts.c.pk, contacts.c.email).order_by(contacts.c.pk))
_COUNTERS = Statement(select(workspaces.c.contact_count, workspaces.c.next_pk))


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own."""
    async with serving(url) as server:
        yield server


async def _rows(server: Server) -> tuple[list[int], list[str]]:
    """Return the dense keys and the addresses of the contacts; the counters must agree with them."""

    async def work(transaction: Transaction) -> tuple[list[int], list[str]]:
        rows = await transaction.fetch_all(_ROWS)
        counters = await transaction.fetch_one(_COUNTERS)
        assert counters is not None
        assert counters[0] == len(rows)
        assert counters[1] > max((row[0] for row in rows), default=0)
        return [row[0] for row in rows], [row[1] for row in rows]

    engine = create_engine(server.url)
    await engine.open()
    try:
        return await engine.read(work)
    finally:
        await engine.close()


def _create(dialect: Dialect, key: str, email: str) -> Request:
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    body = f'{{"email":"{email}"}}'.encode()
    return Request("POST", f"{dialect.prefix}/contacts".encode(), headers=headers, chunks=[body])


@EVERY_DIALECT
async def test_a_revoked_key_stops_working(database: Database, server: Server, dialect: Dialect) -> None:
    """It stops immediately on SQLite and within a second on PostgreSQL, whichever process revoked it."""
    key = await server.key(dialect.name, "one")
    url = f"{dialect.prefix}/segments"
    assert (await server.client.get(url, headers=bearer(key))).status_code == 200
    engine = create_engine(server.url)
    await engine.open()
    await Keys(engine).revoke(key)
    revoked = time.monotonic()
    await engine.close()
    last = revoked
    while (await server.client.get(url, headers=bearer(key))).status_code != 401:
        last = time.monotonic()
    limit = 0 if database is SQLITE else MAX_SECONDS
    assert last - revoked <= limit


@EVERY_DIALECT
async def test_a_key_of_another_dialect_is_unknown(server: Server, dialect: Dialect) -> None:
    """A workspace may have keys of both dialects, and each opens one dialect."""
    for other in DIALECTS:
        key = await server.key(other.name, "one")
        answer = await server.client.get(f"{dialect.prefix}/segments", headers=bearer(key))
        assert answer.status_code == (200 if other is dialect else 401)


@EVERY_DIALECT
async def test_one_of_many_creates_a_contact(server: Server, dialect: Dialect) -> None:
    """Of fifty requests for one address one creates the contact, and the others are conflicts."""
    key = await server.key(dialect.name, "one")
    emails = ["ada@example.com", "ADA@example.com"]
    requests = [_create(dialect, key, emails[number % 2]) for number in range(PARALLEL)]
    answers = await asyncio.gather(*(send_request(server.app, request) for request in requests))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: PARALLEL - 1}
    assert await _rows(server) == ([1], ["ada@example.com"])


@EVERY_DIALECT
async def test_parallel_writes_keep_the_counters(server: Server, dialect: Dialect) -> None:
    """Fifty parallel contacts get the keys 1 to 50, each once; rejected requests in between use no key."""
    key = await server.key(dialect.name, "one")
    fresh = [_create(dialect, key, f"new{number}@example.com") for number in range(PARALLEL)]
    bad = [_create(dialect, key, "nobody") for _ in range(PARALLEL)]
    mixed = [request for pair in zip(fresh, bad, strict=True) for request in pair]
    answers = await asyncio.gather(*(send_request(server.app, request) for request in mixed))
    assert Counter(answer.status for answer in answers) == {201: PARALLEL, 400: PARALLEL}
    keys, emails = await _rows(server)
    assert keys == list(range(1, PARALLEL + 1))
    assert set(emails) == {f"new{number}@example.com" for number in range(PARALLEL)}


@EVERY_DIALECT
async def test_a_client_that_leaves_inside_its_body_writes_nothing(server: Server, dialect: Dialect) -> None:
    """A body that ends early is rejected, even if the part that arrived is valid JSON."""
    key = await server.key(dialect.name, "one")
    answer = await send_request(server.app, _create(dialect, key, "ada@example.com"), disconnects=True)
    assert answer.status == 400
    assert await _rows(server) == ([], [])


@pytest.mark.one_in(2)
@EVERY_DIALECT
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13])
async def test_a_client_that_leaves_inside_a_write_loses_nothing(
    server: Server, dialect: Dialect, steps: int
) -> None:
    """Half of the clients leave: the writes answered to the others are stored, and the counters agree."""
    key = await server.key(dialect.name, "one")
    names = [f"new{number}@example.com" for number in range(PARALLEL)]
    tasks = [asyncio.create_task(send_request(server.app, _create(dialect, key, name))) for name in names]
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    told = {
        name
        for name, answer in zip(names, answers, strict=True)
        if not isinstance(answer, BaseException) and answer.status == 201
    }
    assert set(names[1::2]) <= told
    keys, emails = await _rows(server)
    assert told <= set(emails)
    assert len(set(keys)) == len(keys)
    last = await send_request(server.app, _create(dialect, key, "last@example.com"))
    assert last.status == 201, "the server goes on"
