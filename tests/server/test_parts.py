"""Writes in parts: an interrupted one is finished by a retry, which reports all of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import delete, text

from diglot.clock import system_clock
from diglot.computations import forget
from diglot.dialects.misar.contacts import bulk_routes
from diglot.service import parts
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.contacts import contact_writes
from diglot.service.parts import PartSize
from diglot.storage.schema import tags
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.statement import Statement
from diglot.storage.write_unit import WriteUnit
from support.engines import SQLITE, Database
from support.servers.in_process import Server, bearer, serving

NOW = 1_772_366_400_000_000
DAY = 86_400_000_000
PART = 8
ROWS = 50
IMPORT = "/mail/v1/contacts/import"
BULK = "/mail/v1/contacts/bulk"


@dataclass
class Client:
    """A client of the dialect that has bulk calls."""

    server: Server
    key: str

    async def send(self, method: str, path: str, body: Any, name: str | None = None) -> httpx.Response:
        """Send a write, with or without an idempotency key."""
        headers = {**bearer(self.key), **({} if name is None else {"Idempotency-Key": name})}
        return await self.server.client.request(method, path, headers=headers, json=body)

    async def contacts(self) -> list[dict[str, Any]]:
        """Return all contacts, oldest first."""
        path = "/mail/v1/contacts?limit=1000"
        answer = (await self.server.client.get(path, headers=bearer(self.key))).json()
        assert answer["pagination"]["total"] == len(answer["data"])
        return list(reversed(answer["data"]))


class FixedSize(parts.PartSize):
    """A size that does not depend on the speed of the machine."""

    def __init__(self) -> None:
        super().__init__(PART)

    def adapt(self, items: int, seconds: float, target: float = 0) -> None:
        assert 0 < items <= PART
        assert seconds > 0
        assert target > 0


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every part short."""
    monkeypatch.setattr(parts, "PartSize", FixedSize)


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[Client]:
    """Lend a client of a server of the test's own."""
    async with serving(url, now=NOW) as server:
        yield Client(server, await server.key("misar", "one"))


class Interruption:
    """Fails the part that begins after some contacts were written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.left: float = after
        for name in ("insert_contacts", "update_contacts", "delete_contacts"):
            monkeypatch.setattr(contact_writes, name, self._wrap(getattr(contact_writes, name)))

    def _wrap(self, write: Any) -> Any:
        async def wrapped(unit: WriteUnit, contacts: Any) -> None:
            await write(unit, contacts)
            self.left -= len(contacts)
            if self.left < 0:
                raise RuntimeError("interrupted")

        return wrapped

    def end(self) -> None:
        """Let all further writes succeed."""
        self.left = float("inf")


def _rows(**values: Any) -> list[dict[str, Any]]:
    return [{"email": f"{number}@example.com", **values} for number in range(ROWS)]


async def test_a_retry_finishes_an_import(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reports all rows as the first run would have: created, repeated and rejected ones."""
    await client.send("POST", IMPORT, {"contacts": [{"email": "3@example.com", "status": "unsubscribed"}]})
    many = [f"tag {number}" for number in range(50)]
    rows = _rows()
    rows[5] |= {"tags": many}
    rows[45] |= {"tags": many}
    body = {"contacts": [*rows, *_rows(first_name="Ada")[:10]], "tags": ["all"]}
    interruption = Interruption(monkeypatch, 30)
    failed = await client.send("POST", IMPORT, body, "i")
    assert failed.status_code == 500
    assert 1 < len(await client.contacts()) < ROWS, "some parts are there"
    interruption.end()
    finished, again = [await client.send("POST", IMPORT, body, "i") for _ in range(2)]
    assert finished.json()["summary"] == {"imported": 48, "updated": 10, "skipped": 0, "errors": 2}
    assert [error.partition(":")[0] for error in finished.json()["errors"]] == [
        "5@example.com",
        "45@example.com",
    ]
    assert "idempotency-replayed" not in finished.headers
    assert (again.content, again.headers["idempotency-replayed"]) == (finished.content, "true")
    contacts = {contact["email"]: contact for contact in await client.contacts()}
    assert len(contacts) == 49
    assert contacts["3@example.com"]["status"] == "unsubscribed", "nobody becomes subscribed by accident"
    assert [contacts[f"{number}@example.com"]["first_name"] for number in (0, 9, 10)] == ["Ada", "Ada", None]
    assert all(contact["tags"] == ["all"] for contact in contacts.values())


async def test_an_import_is_freed_in_steps(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contacts of an import are not freed as a whole with its answer, which would hold up all threads."""
    forgotten: list[list[Any]] = []

    async def note(items: list[Any]) -> None:
        assert len(items) == ROWS
        forgotten.append(items)
        await forget(items)

    monkeypatch.setattr(bulk_routes, "forget", note)
    answer = await client.send("POST", IMPORT, {"contacts": _rows()})
    assert answer.json()["summary"]["imported"] == ROWS
    assert forgotten == [[]]


async def test_a_write_of_ids_is_finished_by_a_retry(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The retry of an update and of a deletion counts the contacts of all parts, and tells who is missing."""
    await client.send("POST", IMPORT, {"contacts": _rows()})
    ids = [contact["id"] for contact in await client.contacts()]
    ids[10:10] = ["nobody"]
    ids[40:40] = ["00000000-0000-7000-8000-000000000000"]
    interruption = Interruption(monkeypatch, 20)
    for method, body, word in (
        ("PATCH", {"ids": ids, "update": {"company": "Acme"}}, "updated"),
        ("DELETE", {"ids": ids}, "deleted"),
    ):
        interruption.left = 20
        assert (await client.send(method, BULK, body, method)).status_code == 500
        interruption.end()
        answer = (await client.send(method, BULK, body, method)).json()
        assert answer == {"success": True, word: ROWS, "not_found": [ids[10], ids[40]]}
        companies = {contact["company"] for contact in await client.contacts()}
        assert companies == ({"Acme"} if method == "PATCH" else set())


async def test_requests_with_one_key_share_the_parts(client: Client) -> None:
    """Each part is written once, whoever writes it, and all report the same."""
    body = {"contacts": _rows()}
    answers = await asyncio.gather(*(client.send("POST", IMPORT, body, "i") for _ in range(5)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert answers[0].json()["summary"]["imported"] == ROWS
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(await client.contacts()) == ROWS


async def test_a_key_in_progress_belongs_to_its_request(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another body with the key is a conflict, also for a call that is no write in parts."""
    interruption = Interruption(monkeypatch, 30)
    await client.send("POST", IMPORT, {"contacts": _rows()}, "i")
    interruption.end()
    for path, body in ((IMPORT, {"contacts": _rows()[1:]}), ("/mail/v1/contacts", {"email": "a@b.de"})):
        assert (await client.send("POST", path, body, "i")).status_code == 409
    assert (await client.send("POST", IMPORT, {"contacts": _rows()}, "i")).status_code == 200


async def test_the_progress_is_kept_for_a_day(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later retry is a new import, as one without a key is at once: it updates who is there."""
    interruption = Interruption(monkeypatch, 30)
    await client.send("POST", IMPORT, {"contacts": _rows()}, "i")
    interruption.end()
    there = len(await client.contacts())
    client.server.now += DAY
    summary = (await client.send("POST", IMPORT, {"contacts": _rows()}, "i")).json()["summary"]
    assert (summary["imported"], summary["updated"]) == (ROWS - there, there)
    again = (await client.send("POST", IMPORT, {"contacts": _rows()})).json()["summary"]
    assert (again["imported"], again["updated"]) == (0, ROWS)


async def test_others_write_between_two_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small write of another workspace is answered before an import ends, and so is one of its own."""
    other = Client(client.server, await client.server.key("misar", "two"))
    insert, inserted = contact_writes.insert_contacts, []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def count(unit: WriteUnit, contacts: Any) -> None:
        await insert(unit, contacts)
        inserted.append(len(contacts))
        loop.call_soon_threadsafe(begun.set)

    monkeypatch.setattr(contact_writes, "insert_contacts", count)
    rows = [{"email": f"{number}@example.com"} for number in range(100 * PART)]
    importing = asyncio.ensure_future(client.send("POST", IMPORT, {"contacts": rows}))
    await begun.wait()
    for writer in (other, client):
        assert (
            await writer.send("POST", "/mail/v1/contacts", {"email": "new@example.com"})
        ).status_code == 201
        assert not importing.done()
    summary = (await importing).json()["summary"]
    assert summary["imported"] == 100 * PART
    assert max(inserted) == PART


async def test_the_next_write_begins_with_the_size_of_the_last_part(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that imports often pays once for small parts; other segments make it begin anew."""

    class Growing(PartSize):
        def adapt(self, items: int, seconds: float, target: float = 0) -> None:
            del items, seconds, target
            self.items = ROWS

    insert, inserted = contact_writes.insert_contacts, []

    async def count(unit: WriteUnit, contacts: Any) -> None:
        await insert(unit, contacts)
        inserted.append(len(contacts))

    monkeypatch.setattr(parts, "PartSize", Growing)
    monkeypatch.setattr(contact_writes, "insert_contacts", count)
    for number in range(3):
        if number == 2:
            rule = {"field": "first_name", "operator": "is_empty"}
            body = {"name": "new", "segment_type": "dynamic", "filter_criteria": {"rules": [rule]}}
            assert (await client.send("POST", "/mail/v1/segments", body)).status_code == 201
        rows = [{"email": f"{number}-{row}@example.com"} for row in range(ROWS)]
        assert (await client.send("POST", IMPORT, {"contacts": rows})).status_code == 200
    first = parts.FIRST_PART
    assert inserted == [first, ROWS - first, ROWS, first, ROWS - first]


async def test_an_empty_write_is_answered(client: Client) -> None:
    """It has no parts; with a key its response is stored like any other."""
    first, again = [
        await client.send("PATCH", BULK, {"ids": [], "update": {"company": "Acme"}}, "e") for _ in range(2)
    ]
    assert first.json() == {"success": True, "updated": 0, "not_found": []}
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_the_time_of_a_part_has_its_writes(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that is sent with the last ones counts, too: the next part must not be too long."""
    wait = "EXISTS (SELECT 1 FROM pg_sleep(0.2))" if database is not SQLITE else "1 = 1"
    slow = Statement(delete(tags).where(text(wait)))
    taken: list[float] = []
    monkeypatch.setattr(FixedSize, "adapt", lambda _, items, seconds, target: taken.append(seconds))
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))

    async def write_part(unit: WriteUnit, _: parts.Progress, end: int) -> None:
        assert end
        await unit.execute(slow)

    work = parts.PartwiseWrite(1, parts.Progress, write_part)
    await work.run(engine, workspace.number, system_clock, parts.Memory())
    assert len(taken) == 1
    assert database is SQLITE or taken[0] >= 0.2
