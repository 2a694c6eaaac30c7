"""Uploaded files over HTTP: taken as they arrive, imported in turns, and reported."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from diglot.api.imports.contact_file import open_contact_file
from diglot.background.import_worker import ImportWorker
from diglot.background.retention import Retention
from diglot.errors import DatabaseBusy
from diglot.model.imports import ImportOptions
from diglot.service.access.keys import Keys
from diglot.service.imports import run as import_run
from diglot.service.imports import turns as import_turns
from diglot.service.imports.jobs import Imports
from diglot.service.imports.turns import ImportTurns
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.imports import chunks
from diglot.storage.schema import import_chunks, import_jobs, import_rejects, metadata
from diglot.storage.sql.engine import Engine
from support.marked_rows import load_rows
from support.servers.in_process import Server, bearer, serving

NOW: Final = 1_772_366_400_000_000
DAY: Final = 86_400_000_000
PATH: Final = "/api/v1/imports"
ROWS: Final = 300
TABLES: Final = (import_jobs, import_chunks, import_rejects)
# A job takes the lock of its workspace, which is a row.
UNTOUCHED: Final = [
    one for one in metadata.sorted_tables if one not in TABLES and one.name not in ("workspaces", "api_keys")
]
BODY: Final = (
    "email,plan\n" + "".join(f"p{n}@{'@' * (n == 7)}example.com,x\n" for n in range(ROWS))
).encode()


class Client:
    """A client of a workspace, and the process that does its imports."""

    def __init__(self, server: Server, key: str, engine: Engine) -> None:
        self.server, self.headers = server, bearer(key)
        self.turns = ImportTurns(engine, lambda: server.now, open_contact_file, 0)
        self.worker = ImportWorker(Sweeper(engine, lambda: server.now), self.turns.run_turn, 0.01)

    async def upload(self, body: Any, **query: str) -> dict[str, Any]:
        """Upload a file and return its import."""
        headers = {**self.headers, "Content-Type": "text/csv"}
        answer = await self.server.client.post(PATH, headers=headers, params=query, content=body)
        assert answer.status_code == 202, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def get(self, id_: str) -> dict[str, Any]:
        """Return an import."""
        data: dict[str, Any] = (await self.server.client.get(f"{PATH}/{id_}", headers=self.headers)).json()[
            "data"
        ]
        return data

    async def count(self) -> int:
        """Return the number of contacts."""
        answer = await self.server.client.get("/api/v1/contacts", headers=self.headers)
        total: int = answer.json()["pagination"]["total"]
        return total

    async def work(self) -> None:
        """Let the worker do everything that is due."""
        while await self.worker._run_round():
            pass


@pytest_asyncio.fixture
async def client(url: str, engine: Engine) -> AsyncIterator[Client]:
    """Lend a client of a server of the test's own."""
    async with serving(url, now=NOW, max_import_mib=3) as server:
        yield Client(server, await server.key("topmail", "one"), engine)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into many chunks and turns into single steps."""
    monkeypatch.setattr("diglot.service.imports.jobs.CHUNK_BYTES", 1_000)
    monkeypatch.setattr("diglot.service.imports.sources.CHUNK_BYTES", 1_000)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(import_turns, "TURN_SECONDS", 0.0001)


async def test_an_upload_is_imported(client: Client) -> None:
    """Its rows are imported in the background, its bytes are deleted, its rejects can be fetched."""
    created = await client.upload(BODY, tags="june", name="June")
    assert (created["status"], created["size"], created["name"]) == ("waiting", len(BODY), "June")
    await client.work()
    done = await client.get(created["id"])
    assert {name: done[name] for name in ("status", "total_rows", "rows", "created", "refused")} == {
        "status": "done",
        "total_rows": ROWS,
        "rows": ROWS,
        "created": ROWS - 1,
        "refused": 1,
    }
    assert done["custom_fields"] == ["plan"]
    assert await client.count() == ROWS - 1
    rejects = await client.server.client.get(f"{PATH}/{created['id']}/rejects", headers=client.headers)
    assert rejects.headers["content-type"] == "text/csv; charset=utf-8"
    assert rejects.text == (
        "email,plan,diglot_row,diglot_reason\r\np7@@example.com,x,9,email: Invalid email\r\n"
    )
    assert (await load_rows(client.server.url, [import_chunks]))["import_chunks"] == []
    mended = await client.upload(rejects.text.replace("@@", "@"))
    await client.work()
    assert (await client.get(mended["id"]))["custom_fields"] == ["plan"]
    assert await client.count() == ROWS


async def test_an_upload_is_imported_at_once(client: Client) -> None:
    """The process that took it does not wait until it looks for work."""
    engine, turned = client.turns.engine, asyncio.Event()
    imports = Imports(engine, lambda: client.server.now)

    async def run_turn(workspace: int, number: int) -> bool:
        turned.set()
        return await client.turns.run_turn(workspace, number)

    worker = ImportWorker(client.worker.sweeper, run_turn, 3_600, imports.begun)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    caller = await Keys(engine).authenticate("topmail", await client.server.key("topmail", "one"))
    await imports.upload(caller, "a.csv", ImportOptions(), _pieces())
    await asyncio.wait_for(turned.wait(), 30)
    await worker.stop(running)
    assert running.done()


async def _pieces() -> AsyncIterator[bytes]:
    yield BODY


async def test_two_files_take_turns(client: Client) -> None:
    """A small file does not wait for a large one of another workspace."""
    other = Client(client.server, await client.server.key("topmail", "two"), client.turns.engine)
    large, small = await client.upload(BODY), await other.upload("email\na@example.com\n")
    for _ in range(4):
        await client.worker._run_round()
    assert (await other.get(small["id"]))["status"] == "done"
    assert (await client.get(large["id"]))["status"] == "running"
    await client.work()
    assert (await client.get(large["id"]))["status"] == "done"


async def test_a_dry_run_of_an_upload(client: Client) -> None:
    """It says what the import would do, keeps the rows that would be refused, and writes no contact."""
    before = await load_rows(client.server.url, UNTOUCHED)
    created = await client.upload(BODY.replace(b"plan", b"frist_name"), dry_run="true", tags="june")
    assert (created["dry_run"], created["status"]) == (True, "waiting")
    await client.work()
    done = await client.get(created["id"])
    counts = {name: done[name] for name in ("status", "total_rows", "rows", "created", "refused")}
    assert counts == {"status": "done", "total_rows": ROWS, "rows": ROWS, "created": ROWS - 1, "refused": 1}
    assert done["warnings"] == [
        {
            "path": "",
            "code": "no_opt_outs",
            "message": "No column says who opted out, so every new contact becomes subscribed",
        },
        {
            "path": "frist_name",
            "code": "near_field",
            "message": "The column is stored as a custom field: did you mean `first_name`?",
        },
        {"path": "email", "code": "refused_values", "message": "1 row is refused for the value"},
    ]
    rejects = await client.server.client.get(f"{PATH}/{created['id']}/rejects", headers=client.headers)
    assert rejects.text.splitlines()[1:] == ["p7@@example.com,x,9,email: Invalid email"]
    assert await load_rows(client.server.url, UNTOUCHED) == before
    assert (await load_rows(client.server.url, [import_chunks]))["import_chunks"] == []


async def test_a_dry_run_that_is_stopped(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as an import does."""
    monkeypatch.setattr(import_run, "_CHECK_SECONDS", 0.0)
    created = await client.upload(BODY, dry_run="true")
    for _ in range(3):
        await client.worker._run_round()
    assert (await client.get(created["id"]))["status"] == "running"
    await client.server.client.post(f"{PATH}/{created['id']}/cancel", headers=client.headers)
    await client.work()
    assert (await client.get(created["id"]))["status"] == "cancelled"
    assert (await load_rows(client.server.url, [import_chunks]))["import_chunks"] == []


async def test_dry_runs_wait_for_each_other(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace has one at a time and a process some; nobody waits for one that another process took."""
    monkeypatch.setattr(import_turns, "_MOST_DRY_RUNS", 2)
    monkeypatch.setattr(import_run, "_CHECK_SECONDS", 0.0)
    others = [
        Client(client.server, await client.server.key("topmail", name), client.turns.engine)
        for name in ("two", "three")
    ]
    jobs = [(one, await one.upload(BODY, dry_run="true")) for one in (client, client, *others)]
    rounds = [(1, 1), (1, 2), (2, 1), (3, 1)]
    assert [await client.turns.run_turn(*key) for key in rounds] == [True, False, True, False]
    monkeypatch.setattr(import_turns, "_IDLE_SECONDS", -1.0)
    assert await client.turns.run_turn(3, 1)
    monkeypatch.setattr(import_turns, "_IDLE_SECONDS", 60.0)
    await client.work()
    for one, job in jobs:
        assert (await one.get(job["id"]))["created"] == ROWS - 1


async def test_a_stopped_dry_run_keeps_nobody_waiting(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who discards a file and tries another one sees its dry run at once."""
    monkeypatch.setattr(import_run, "_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(import_turns, "TURN_SECONDS", 0.0)
    stopped = await client.upload(BODY, dry_run="true")
    await client.worker._run_round()
    await client.server.client.post(f"{PATH}/{stopped['id']}/cancel", headers=client.headers)
    other = await client.upload(BODY, dry_run="true")
    await client.work()
    assert (await client.get(other["id"]))["status"] == "done"


async def test_an_import_that_is_stopped(client: Client) -> None:
    """It ends before its next part, also in another process, and its bytes are deleted."""
    created = await client.upload(BODY)
    for _ in range(3):
        await client.worker._run_round()
    answer = await client.server.client.post(f"{PATH}/{created['id']}/cancel", headers=client.headers)
    assert answer.json()["data"]["status"] == "cancelled"
    there = await client.count()
    await client.turns.run_turn(1, 1)
    await client.turns.run_turn(1, 1)
    assert 0 < there == await client.count() < ROWS
    assert (await load_rows(client.server.url, [import_chunks]))["import_chunks"] == []


async def test_an_ended_import_cannot_be_stopped(client: Client) -> None:
    """It is a conflict."""
    created = await client.upload("email\na@example.com\n")
    await client.work()
    answer = await client.server.client.post(f"{PATH}/{created['id']}/cancel", headers=client.headers)
    assert (answer.status_code, "done already" in answer.text) == (409, True)


async def test_a_refused_file(client: Client) -> None:
    """The error says why, nothing is imported, and its bytes are deleted."""
    created = await client.upload(BODY + b'"')
    await client.work()
    failed = await client.get(created["id"])
    assert (failed["status"], failed["error"]) == (
        "failed",
        f"Line {ROWS + 2} is not valid CSV: unexpected end of data",
    )
    assert await client.count() == 0
    assert (await load_rows(client.server.url, [import_chunks]))["import_chunks"] == []


async def test_a_file_that_is_too_large(client: Client) -> None:
    """Nothing of it is left, whether its length is declared or not."""
    headers = {**client.headers, "Content-Type": "text/csv"}

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * 1_000_000

    for content in (b"x" * 4_000_000, pieces()):
        answer = await client.server.client.post(PATH, headers=headers, content=content)
        assert answer.status_code == 413, answer.text
    assert not any((await load_rows(client.server.url, TABLES)).values())


async def test_a_worker_that_fails_goes_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing job is passed over for a while; the database is asked again later."""
    created = await client.upload(BODY)
    real = client.worker.run_turn
    errors: list[Exception] = [DatabaseBusy(), RuntimeError("a bug")]

    async def fail(workspace: int, number: int) -> bool:
        if errors:
            raise errors.pop(0)
        return await real(workspace, number)

    client.worker.run_turn = fail
    assert not await client.worker._run_round()
    assert not await client.worker._run_round()
    assert not await client.worker._run_round(), "its workspace is passed over"
    client.server.now += 61_000_000
    assert await client.worker._run_round()
    for error in (DatabaseBusy(), RuntimeError("a bug")):
        with monkeypatch.context() as patched:
            patched.setattr(client.worker.sweeper, "find", _raising(error))
            assert not await client.worker._run_round()
    await client.work()
    assert (await client.get(created["id"]))["status"] == "done"


def _raising(error: Exception) -> Any:
    async def find(*_: object) -> Any:
        raise error

    return find


async def test_many_jobs_of_a_process(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps the rows of some, and reads those of the others again."""
    monkeypatch.setattr(import_turns, "_MOST_RUNS", 1)
    created = [await client.upload(BODY.replace(b"@", b"@%d." % n)) for n in range(3)]
    await client.work()
    assert [(await client.get(one["id"]))["status"] for one in created] == ["done"] * 3
    assert await client.count() == 3 * (ROWS - 1)


async def test_old_imports_are_deleted(client: Client) -> None:
    """An import is kept for 30 days, and an upload without an end for one."""
    await client.upload(BODY)
    await client.work()
    retention = Retention(client.turns.engine, 30, lambda: client.server.now)
    client.server.now += 29 * DAY
    while await retention.expire_batch(1):
        pass
    assert len((await load_rows(client.server.url, [import_jobs]))["import_jobs"]) == 1
    client.server.now += 2 * DAY
    while await retention.expire_batch(1):
        pass
    assert not any((await load_rows(client.server.url, TABLES)).values())
