"""Events under load and their cost: parallel events, few statements, no scan."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from itertools import combinations, product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from msgspec import Raw

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.membership.store import MAX_CLOCK_SKEW
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, ConversionValue, EventKind, NewEvent
from diglot.model.webhooks import WebhookEventType
from diglot.model.workspaces import Caller
from diglot.service.access.keys import Keys
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.webhooks import NewWebhook, Webhooks
from diglot.storage import workspaces
from diglot.storage.audience import events
from diglot.storage.sql.engine import Engine, Executable, NestedEngine, T, UnitOfWork
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.tenant import bind_workspace
from support import engines
from support.engines import Database
from support.servers.asgi import Request, send_request
from support.servers.in_process import Server, serving

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
PARALLEL = 50
EMAIL = "ada@example.com"
NOW = 1_770_000_000_000_000

# The path of a purchase, and its body for an order and a price in cents.
PURCHASES: dict[str, tuple[str, Callable[[str, int], Any]]] = {
    "misar": (
        "/track/purchase",
        lambda order, cents: {"email": EMAIL, "order_id": order, "total_cents": cents},
    ),
    "topmail": (
        "/conversions",
        lambda order, cents: {
            "email": EMAIL,
            "order_id": order,
            "revenue": cents / 100,
            "type": "purchase",
        },
    ),
}


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    """Serve a fresh database."""
    async with database.fresh() as url, serving(url, now=NOW) as server:
        yield server


def _post(dialect: Dialect, key: str, path: str, body: Any) -> Request:
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    return Request(
        "POST", (dialect.prefix + path).encode(), headers=headers, chunks=[json.dumps(body).encode()]
    )


async def _totals(server: Server, dialect: Dialect, key: str) -> tuple[int, float]:
    url = f"{dialect.prefix}/contacts"
    answer = await server.client.get(url, headers={"Authorization": f"Bearer {key}"})
    (one,) = answer.json()["data"]
    return one["total_orders"], one["total_spent"]


@EVERY_DIALECT
async def test_parallel_purchases_sum_exactly(server: Server, dialect: Dialect) -> None:
    """Fifty parallel orders add up to fifty orders and to their total price, to the cent."""
    key = await server.key(dialect.name, "one")
    await send_request(server.app, _post(dialect, key, "/contacts", {"email": EMAIL}))
    path, body = PURCHASES[dialect.name]
    requests = [_post(dialect, key, path, body(f"order {n}", 10 + n)) for n in range(PARALLEL)]
    answers = await asyncio.gather(*(send_request(server.app, request) for request in requests))
    assert Counter(answer.status // 100 for answer in answers) == {2: PARALLEL}
    cents = sum(10 + n for n in range(PARALLEL))
    assert await _totals(server, dialect, key) == (PARALLEL, cents / 100)


@EVERY_DIALECT
async def test_one_order_sent_in_parallel_counts_once(server: Server, dialect: Dialect) -> None:
    """Fifty parallel requests for one order get one response, and the order counts once."""
    key = await server.key(dialect.name, "one")
    await send_request(server.app, _post(dialect, key, "/contacts", {"email": EMAIL}))
    path, body = PURCHASES[dialect.name]
    requests = [_post(dialect, key, path, body("order", 10 + n)) for n in range(PARALLEL)]
    answers = await asyncio.gather(*(send_request(server.app, request) for request in requests))
    assert {answer.status // 100 for answer in answers} == {2}
    assert len({answer.body for answer in answers}) == 1
    orders, spent = await _totals(server, dialect, key)
    assert orders == 1
    assert spent in {(10 + n) / 100 for n in range(PARALLEL)}


async def test_an_order_counts_once_across_dialects(server: Server) -> None:
    """Each dialect sends half of the orders, then the other half again: each order counts once."""
    keys = {dialect.name: await server.key(dialect.name, "one") for dialect in DIALECTS}
    await send_request(server.app, _post(DIALECTS[0], keys[DIALECTS[0].name], "/contacts", {"email": EMAIL}))
    requests = []
    for number, dialect in product(range(PARALLEL // 2), DIALECTS):
        path, body = PURCHASES[dialect.name]
        requests.append(_post(dialect, keys[dialect.name], path, body(f"order {number}", 10)))
    answers = await asyncio.gather(*(send_request(server.app, request) for request in requests))
    assert {answer.status // 100 for answer in answers} == {2}
    for dialect in DIALECTS:
        totals = await _totals(server, dialect, keys[dialect.name])
        assert totals == (PARALLEL // 2, PARALLEL // 2 / 10)


async def test_an_event_takes_few_statements(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open takes five statements, a custom event four, an order six, and a repeated order two.

    The first event of a name takes two more: the row of the name, and its number in the row of the workspace.
    """
    dialect = DIALECTS[0]
    key = await server.key(dialect.name, "one")
    await send_request(server.app, _post(dialect, key, "/contacts", {"email": EMAIL}))
    path, order = PURCHASES[dialect.name]
    for name in ("email.opened", "custom"):
        first = _post(dialect, key, "/track/event", {"email": EMAIL, "event_name": name})
        await send_request(server.app, first)
    await send_request(server.app, _post(dialect, key, path, order("first", 10)))
    counted = await _counted(server, key, monkeypatch)
    assert counted == {"open": 5, "custom": 4, "order": 6, "again": 2}


async def _counted(server: Server, key: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    ran: list[Any] = []
    dialect = DIALECTS[0]
    engine: Any = server.app._app.state["services"].events.engine
    write = engine.write

    async def counting(work: Any, *, workspace: int | None = None) -> Any:
        async def counted(transaction: Any) -> Any:
            return await work(_Counting(transaction, ran))

        return await write(counted, workspace=workspace)

    monkeypatch.setattr(engine, "write", counting)
    path, body = PURCHASES[dialect.name]
    told = {
        "open": ("/track/event", {"email": EMAIL, "event_name": "email.opened"}),
        "custom": ("/track/event", {"email": EMAIL, "event_name": "custom"}),
        "order": (path, body("order", 10)),
        "again": (path, body("order", 10)),
    }
    results = {}
    for name, (where, what) in told.items():
        ran.clear()
        assert (await send_request(server.app, _post(dialect, key, where, what))).status == 200
        results[name] = len(ran)
    return results


class _Counting:
    """A transaction that records its statements."""

    def __init__(self, transaction: Any, ran: list[Any]) -> None:
        self._transaction = transaction
        self._ran = ran

    def __getattr__(self, name: str) -> Any:
        result = getattr(self._transaction, name)
        if name not in ("fetch_all", "fetch_one", "execute", "execute_many"):
            return result

        async def noted(statement: Any, values: Any = ()) -> Any:
            self._ran.append(statement)
            return await result(statement, values)

        return noted


async def test_webhooks_receive_a_conversion_once(url: str) -> None:
    """The deliveries are written with the conversion; a repeated order sends no event."""
    server = Server(url)
    key = await server.key("topmail", "one")
    engine = await server.beside.engine()
    try:
        caller = await Keys(engine).authenticate("topmail", key)
        hooks = Webhooks(engine, lambda: NOW)
        heard = (WebhookEventType.CONVERTED, WebhookEventType.CONTACT_UPDATED)
        new = NewWebhook("topmail", "https://example.com/", ("conversion.created",), heard, "secret")
        hook = await hooks.create(caller, new)
        ada = await Contacts(engine, lambda: NOW).create(caller, ContactChange({"email": EMAIL}))
        worth = ConversionValue(1.5, "EUR", None, "last_touch", None, Raw(b'{"a":1}'))
        order = NewEvent(EventKind.CONVERSION, "purchase", order_id="order", value=worth)
        told = [
            await Events(engine, lambda: NOW).record(caller, ContactRef(ada.id, EMAIL), order)
            for _ in range(2)
        ]
        assert told[0] == told[1]
        (delivery,) = await hooks.list_deliveries(caller, "topmail", hook.id)
        subject = json.loads(delivery.payload)
    finally:
        await server.beside.close()
    assert delivery.event is WebhookEventType.CONVERTED
    assert (subject["contact"]["total_orders"], subject["contact"]["total_spent"]) == (1, 1.5)
    assert subject["conversion"] == {
        "id": told[0].event.id,
        "type": "purchase",
        "revenue": 1.5,
        "currency": "EUR",
        "order_id": "order",
        "campaign_id": None,
        "converted_at": NOW,
        "metadata": {"a": 1},
    }


ASKED = [tuple(names) for n in range(4) for names in combinations(("campaign_id", "type", "pk"), n)]


def _plan(connection: sqlite3.Connection, statement: Executable) -> list[str]:
    sql = statement.sql_for(SQLITE)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", [1] * len(sql.parameter_names)).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(asked) or "all")
async def test_conversions_are_found_by_an_index(asked: tuple[str, ...]) -> None:
    """No query for conversions scans other events, and only the one by contact alone sorts its results."""
    async with engines.SQLITE.fresh() as url:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
            for statement in (events._count_statement(asked), events._page_statement(asked)):
                plan = _plan(connection, statement)
                (search,) = [step for step in plan if " events " in step]
                assert search.startswith("SEARCH events USING")
                assert "INDEX events_" in search
                sorts = (
                    statement is events._page_statement(asked)
                    and "pk" in asked
                    and "campaign_id" not in asked
                )
                assert any("B-TREE" in step for step in plan) == sorts


async def test_orders_and_clicks_are_found_by_an_index() -> None:
    """Each lookup of a purchase reads a few rows by an index."""
    async with engines.SQLITE.fresh() as url:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
            order, click = _plan(connection, events._BY_SOURCE.for_one), _plan(connection, events._LAST_CLICK)
    assert "INDEX events_by_source (source_id=? AND workspace=?)" in order[0]
    contact = "events_of_contact (workspace=? AND pk=? AND kind=? AND happened_at>? AND happened_at<?)"
    assert contact in click[0]


async def test_an_event_that_waits_does_not_set_the_clock_back(engine: Engine) -> None:
    """An event gets the time of its write, so earlier writes are not in its future."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    clock = [NOW]
    contacts = Contacts(engine, lambda: clock[0])
    ada = await contacts.create(caller, ContactChange({"email": EMAIL}))

    class Queue(NestedEngine):
        """An engine in which another write comes first and takes some time."""

        def __init__(self) -> None:
            """Take no transaction."""

        async def write(
            self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
        ) -> T:
            del seconds
            clock[0] += 2 * MAX_CLOCK_SKEW
            await contacts.create(caller, ContactChange({"email": "bob@example.com"}))
            return await engine.write(work, workspace=workspace)

    told = await Events(Queue(), lambda: clock[0]).record(
        caller, ContactRef(ada.id, None), NewEvent(EventKind.OPEN, "open")
    )
    state = await engine.read(bind_workspace(caller.workspace, workspaces.load_state))
    assert state.evaluated_at == told.event.created_at == clock[0]
