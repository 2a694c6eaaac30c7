"""Metrics of requests and of work: right sums, and no more series than there are operations."""

import asyncio
from typing import Any

import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.families import OPERATIONS, SIZE, STATUSES
from diglot.server.observability.figures import Figures
from diglot.service.audience.segments import Segments
from diglot.storage.background import metrics
from support.engines import Database
from support.metrics_page import MetricsPage
from support.servers.in_process import Server, bearer, serving

REQUESTS = "diglot_http_requests_total"
COUNT = "diglot_http_request_duration_seconds_count"
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


async def read_page(server: Server) -> MetricsPage:
    """Return the metrics of now."""
    return MetricsPage((await server.client.get("/metrics")).text)


def list_operation(dialect: Dialect) -> str:
    """Return the id of the call that lists segments."""
    return next(one.id for _, one in dialect.operations if one.path == "/segments" and one.method == "GET")


@EVERY_DIALECT
async def test_requests_have_operation_and_status(server: Server, dialect: Dialect) -> None:
    """Whether a key is valid or not, the operation is known; HEAD counts as the GET that it is."""
    before = await read_page(server)
    headers = bearer(await server.key(dialect.name, "one"))
    labels = {"dialect": dialect.name, "operation": list_operation(dialect)}
    path = f"{dialect.prefix}/segments"
    for _ in range(3):
        assert (await server.client.get(path, headers=headers)).status_code == 200
    await server.client.head(path, headers=headers)
    await server.client.get(path)
    after = await read_page(server)
    for status, number in (("200", 4), ("401", 1)):
        found = (page.sum(REQUESTS, **labels, status=status) for page in (after, before))
        assert next(found) - next(found) == number
    assert after.sum(COUNT, **labels) - before.sum(COUNT, **labels) == 5
    buckets = f"{COUNT.removesuffix('_count')}_bucket"
    assert after.value(buckets, **labels, le="+Inf") == after.value(COUNT, **labels)


async def test_clients_cannot_invent_series(server: Server) -> None:
    """Paths, methods and statuses that clients choose are in few series."""
    for number in range(20):
        for prefix in ("", *(dialect.prefix for dialect in DIALECTS)):
            await server.client.get(f"{prefix}/invented-{number}")
            await server.client.request(f"BREW{number}", f"{prefix}/segments")
    page = await read_page(server)
    assert "invented" not in str(page.samples)
    assert "BREW" not in str(page.samples)
    other = {one.labels["dialect"] for one in page.samples if one.labels.get("operation") == "other"}
    assert other == {"none", *(dialect.name for dialect in DIALECTS)}
    labels = {
        (one.labels["dialect"], one.labels["operation"]) for one in page.samples if one.name == REQUESTS
    }
    assert labels <= set(OPERATIONS)


def test_the_labels_are_bounded() -> None:
    """Each operation of each dialect is there once."""
    assert len(set(OPERATIONS)) == len(OPERATIONS)
    assert len(set(STATUSES)) == len(STATUSES)
    for dialect in DIALECTS:
        assert {(dialect.name, one.id) for _, one in dialect.operations} < set(OPERATIONS)


async def test_requests_in_flight(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted in and out, also if the client leaves before the response."""
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def wait(*_: Any, **__: Any) -> Any:
        arrived.set()
        await gate.wait()

    monkeypatch.setattr(Segments, "find_known", wait)
    headers = bearer(await server.key("misar", "one"))
    asking = asyncio.create_task(server.client.get("/mail/v1/segments/x", headers=headers))
    await arrived.wait()
    assert (await read_page(server)).value("diglot_http_requests_in_flight") == 2
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    page = await read_page(server)
    assert page.value("diglot_http_requests_in_flight") == 1
    assert page.sum(REQUESTS, status="none") >= 1


async def test_rows_of_an_import(server: Server) -> None:
    """They are counted by what became of them, and once if the import is repeated."""
    headers = {**bearer(await server.key("misar", "one")), "Idempotency-Key": "k1"}
    rows = [{"email": f"p{number}@example.com"} for number in range(5)]
    body = {"contacts": [*rows, rows[0], {"email": "nobody"}]}
    before = await read_page(server)
    for _ in range(2):
        answer = await server.client.post("/mail/v1/contacts/import", json=body, headers=headers)
        assert answer.status_code == 200
    after = await read_page(server)
    found = {
        outcome: after.value("diglot_imported_rows_total", outcome=outcome)
        - before.value("diglot_imported_rows_total", outcome=outcome)
        for outcome in ("created", "updated", "skipped", "rejected")
    }
    assert found == {"created": 5, "updated": 1, "skipped": 0, "rejected": 1}


async def test_processes_are_added_up(database: Database) -> None:
    """What another process counted is in the page of this one; two pages are the same."""
    cells = SharedCells(SIZE, slots=2)
    Figures(cells.figures).begin_request()
    async with database.fresh() as url, serving(url, cells=cells) as one, serving(url, cells=cells) as other:
        for server in (one, other):
            for _ in range(3):
                await server.client.get("/mail/v1/segments")
        pages = [await read_page(server) for server in (one, other)]
        assert [page.sum(REQUESTS, dialect="misar") for page in pages] == [6, 6]


async def test_many_readers_of_the_page_are_one_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs a key for the page, so fifty requests at once must not be fifty scans."""
    reads = 0
    load = metrics.load

    async def counting(*args: Any) -> Any:
        nonlocal reads
        reads += 1
        return await load(*args)

    monkeypatch.setattr(metrics, "load", counting)
    answers = await asyncio.gather(*(server.client.get("/metrics") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert reads < 10
