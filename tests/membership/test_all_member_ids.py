"""The ids of all members, streamed in windows: the members of one snapshot, whatever happens meanwhile."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from diglot.service.audience import member_ids
from diglot.storage.contacts import queries
from diglot.storage.tenant import Tenant
from support.servers.api_clients import Misar, dialect_clients
from support.servers.chunk_reader import ChunkReader
from support.servers.in_process import Server, serving

MEMBERS = 25
WINDOW = 4
CLIENTS = 40
EVERYBODY = {"operator": "AND", "rules": [{"field": "email", "operator": "contains", "value": "@"}]}


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_ids, "IDS_PER_READ", WINDOW)


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own."""
    async with serving(url) as server:
        yield server


class Reader(ChunkReader):
    """A client of all ids."""

    @property
    def ids(self) -> list[str]:
        """The ids in the response."""
        result: list[str] = json.loads(self.body)["contactIds"]
        return result


@dataclass
class Stage:
    """A segment of everybody, its members newest first, and a client."""

    server: Server
    misar: Misar
    people: list[str]
    path: str

    def reader(self, **more: Any) -> Reader:
        """Return a reader of all ids."""
        return Reader(self.server, self.path, self.misar.key, **more)


@pytest_asyncio.fixture
async def stage(server: Server) -> Stage:
    """Create the members and their segment."""
    misar, _ = await dialect_clients(server)
    rows = [{"email": f"{number}@example.com"} for number in range(MEMBERS)]
    await misar.request("POST", "/contacts/import", {"contacts": rows})
    people = [item["id"] for item in (await misar.request("GET", "/contacts?limit=100"))["data"]]
    segment = (await misar.create("everybody", EVERYBODY))["id"]
    return Stage(server, misar, people, f"/io/contacts/segments/{segment}/members")


async def test_all_ids_come_in_windows(stage: Stage) -> None:
    """Their order is that of the pages; the response is whole JSON, with what follows the ids."""
    reader = stage.reader()
    await reader.read()
    assert reader.ids == stage.people
    assert len(reader.chunks) > MEMBERS // WINDOW
    assert b"content-length" not in reader.headers
    assert reader.headers[b"diglot-as-of"] == b"%d" % MEMBERS
    assert json.loads(b"".join(reader.chunks))["revision"] == 1


async def test_few_ids_come_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response of one window has a length, as any other."""
    monkeypatch.setattr(member_ids, "IDS_PER_READ", MEMBERS)
    reader = stage.reader()
    await reader.read()
    assert reader.ids == stage.people
    assert reader.headers[b"content-length"] == b"%d" % len(reader.chunks[0])


async def test_contacts_that_are_deleted_meanwhile_are_listed(stage: Stage) -> None:
    """The ids are the members at the change that the header names; new ones are not among them."""

    async def change(chunk: int) -> None:
        if chunk == 2:
            await stage.misar.request("DELETE", "/contacts/bulk", {"ids": stage.people[10:20]})
            await stage.misar.request("POST", "/contacts", {"email": "new@example.com"}, 201)

    reader = stage.reader(before_chunk=change)
    await reader.read()
    assert reader.ids == stage.people
    now = stage.reader()
    await now.read()
    assert len(now.ids) == MEMBERS - 10 + 1
    past = stage.reader(query=b"as_of=" + reader.headers[b"diglot-as-of"])
    await past.read()
    assert past.ids == [id_ for id_ in stage.people if id_ not in stage.people[10:20]]
    assert json.loads(b"".join(past.chunks))["deleted"] == 10


async def test_no_connection_is_held_for_a_slow_client(stage: Stage) -> None:
    """Between two windows every reader of the pool is free, also for many slow clients."""
    stopped, all_stopped, go_on = [], asyncio.Event(), asyncio.Event()

    async def wait(chunk: int) -> None:
        if chunk == 2:
            stopped.append(chunk)
            if len(stopped) == CLIENTS:
                all_stopped.set()
            await go_on.wait()

    readers = [stage.reader(before_chunk=wait) for _ in range(CLIENTS)]
    tasks = [asyncio.ensure_future(reader.read()) for reader in readers]
    async with asyncio.timeout(60):
        await all_stopped.wait()
        assert (await stage.misar.request("GET", "/contacts?limit=1"))["data"]
        go_on.set()
        await asyncio.gather(*tasks)
    assert all(reader.ids == stage.people for reader in readers)


async def test_nothing_is_read_for_a_client_that_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response ends at the next window."""
    reads = []
    load = queries.load_all_ids

    async def count(tenant: Tenant, keys: Sequence[int]) -> list[str] | None:
        reads.append(keys)
        return await load(tenant, keys)

    monkeypatch.setattr(queries, "load_all_ids", count)
    reader = stage.reader()

    async def leave(chunk: int) -> None:
        if chunk == 1:
            reader.left.set()
            await asyncio.sleep(0.01)

    reader.before_chunk = leave
    await reader.read()
    assert not reader.ended
    assert len(reads) == 3


async def test_a_failure_leaves_the_response_without_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client must not take an incomplete list for a whole one: its connection closes before the end."""
    caplog.set_level(logging.CRITICAL, logger="diglot")
    reader = stage.reader()

    async def fail(chunk: int) -> None:
        if chunk == 2:
            monkeypatch.setattr(queries, "load_all_ids", None)

    reader.before_chunk = fail
    await reader.read()
    assert len(reader.chunks) == 3
    assert not reader.ended
