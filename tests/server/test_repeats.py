"""Retried writes: done once, answered as the first time, in parallel too."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from diglot.background.scheduler import Scheduler
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.connect import create_engine
from diglot.storage.schema import idempotent_responses
from diglot.storage.sql.statement import Statement
from support.engines import POOLED_TOO
from support.servers.in_process import Server, bearer, serving

NOW = 1_772_366_400_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
CALLERS = 50
RULES = [{"field": "tags", "operator": "contains", "value": "vip"}]
SERVING = {"now": NOW}


@dataclass
class Client:
    """A client of one dialect, with its request to create a segment and its count of segments."""

    server: Server
    key: str
    prefix: str
    segment: dict[str, Any] = field(default_factory=dict)

    async def post(
        self, path: str, body: Any, name: str | None = None, method: str = "POST"
    ) -> httpx.Response:
        """Send a write, with or without an idempotency key."""
        headers = {**bearer(self.key), **({"Idempotency-Key": name} if name else {})}
        return await self.server.client.request(method, self.prefix + path, headers=headers, json=body)

    async def total(self, path: str) -> int:
        """Return the number of segments or contacts."""
        answer = (await self.server.client.get(self.prefix + path, headers=bearer(self.key))).json()
        pagination = answer.get("pagination") or answer["data"]["pagination"]
        total: int = pagination["total"]
        return total


@pytest_asyncio.fixture(params=["misar", "topmail"], loop_scope="module")
async def client(server: Server, request: pytest.FixtureRequest) -> Client:
    """Return a client of each dialect in turn."""
    key = await server.key(request.param, "one")
    if request.param == "misar":
        criteria = {"operator": "AND", "rules": RULES}
        return Client(
            server, key, "/mail/v1", {"name": "VIP", "segment_type": "dynamic", "filter_criteria": criteria}
        )
    return Client(server, key, "/api/v1", {"name": "VIP", "conditions": {"match": "all", "rules": RULES}})


@POOLED_TOO
async def test_fifty_with_one_key_create_one_segment(client: Client) -> None:
    """All get the first response, to the byte; the replays are marked."""
    answers = await asyncio.gather(*(client.post("/segments", client.segment, "n1") for _ in range(CALLERS)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await client.total("/segments") == 1


@POOLED_TOO
async def test_fifty_without_a_key_create_one_segment(client: Client) -> None:
    """The same body from the same API key within ten seconds is a retry; one from a second API key is not."""
    answers = await asyncio.gather(*(client.post("/segments", client.segment) for _ in range(CALLERS)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert await client.total("/segments") == 1
    other = Client(client.server, await client.server.key("misar", "one"), "/mail/v1")
    body = {"name": "VIP", "segment_type": "dynamic", "filter_criteria": {"operator": "AND", "rules": RULES}}
    assert (await other.post("/segments", body)).status_code == 201
    assert await client.total("/segments") == 2


async def test_a_retry_without_a_key_holds_ten_seconds(client: Client) -> None:
    """Later, with another body, or after a deletion of the first, a new segment is created."""
    first = (await client.post("/segments", client.segment)).json()["data"]["id"]
    client.server.now += 9 * SECOND
    assert (await client.post("/segments", client.segment)).json()["data"]["id"] == first
    assert (await client.post("/segments", client.segment | {"name": "Other"})).json()["data"]["id"] != first
    client.server.now += SECOND
    second = (await client.post("/segments", client.segment)).json()["data"]["id"]
    assert second != first
    deleted = await client.post(f"/segments/{second}", None, method="DELETE")
    assert deleted.status_code == 200
    third = (await client.post("/segments", client.segment)).json()["data"]["id"]
    assert third not in (first, second)
    assert await client.total("/segments") == 3


async def test_an_idempotency_key_holds_a_day_and_for_one_request(client: Client) -> None:
    """The same key with another body, path or method is a conflict; a day later it is free."""
    body = {"email": "ada@example.com"}
    first = await client.post("/contacts", body, "n")
    again = await client.post("/contacts", body, "n")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    id_ = first.json()["data"]["id"]
    for path, other, method in (
        ("/contacts", {"email": "bob@example.com"}, "POST"),
        ("/segments", body, "POST"),
        (f"/contacts/{id_}", body, "PATCH"),
        (f"/contacts/{id_}", None, "DELETE"),
    ):
        refused = await client.post(path, other, "n", method)
        assert refused.status_code == 409
        assert "idempotency" in str(refused.json()["error"]).lower()
    assert await client.total("/contacts") == 1
    client.server.now += DAY - SECOND
    assert (await client.post("/contacts", body, "n")).status_code == 201
    client.server.now += SECOND
    assert (await client.post("/contacts", body, "n")).status_code == 409, (
        "the request is executed again, and the address exists"
    )
    assert (await client.post("/contacts", {"email": "bob@example.com"}, "n")).status_code == 201
    assert await client.total("/contacts") == 2


async def test_every_write_accepts_an_idempotency_key(client: Client) -> None:
    """A retried deletion is no 404; an update is done once; an import counts once."""
    id_ = (await client.post("/contacts", {"email": "ada@example.com"})).json()["data"]["id"]
    for _ in range(2):
        assert (await client.post(f"/contacts/{id_}", {"first_name": "Ada"}, "p", "PATCH")).status_code == 200
    for _ in range(2):
        assert (await client.post(f"/contacts/{id_}", None, "d", "DELETE")).status_code == 200
    assert (await client.post(f"/contacts/{id_}", None, "d2", "DELETE")).status_code == 404
    if client.prefix == "/mail/v1":
        bodies = [
            (await client.post("/contacts/import", {"contacts": [{"email": "eve@example.com"}]}, "i")).json()
            for _ in range(2)
        ]
        assert [body["summary"]["imported"] for body in bodies] == [1, 1]


@POOLED_TOO
async def test_a_failed_request_can_be_retried(client: Client) -> None:
    """An error is not stored: the same key then executes the request, and the failed one left nothing."""
    refused = await client.post("/contacts", {"email": "nobody"}, "n")
    assert refused.status_code == 400
    assert (await client.post("/contacts", {"email": "ada@example.com"}, "n")).status_code == 201
    wrong = await client.server.client.post(
        client.prefix + "/contacts",
        headers={**bearer(client.key), "Idempotency-Key": "t", "Content-Type": "text/plain"},
        content=b"{}",
    )
    assert wrong.status_code == 415
    large = await client.server.client.post(
        client.prefix + "/contacts",
        headers={**bearer(client.key), "Idempotency-Key": "t", "Content-Type": "application/json"},
        content=b" " * (1024 * 1024 + 1),
    )
    assert large.status_code == 413
    assert await client.total("/contacts") == 1


@pytest.mark.parametrize("name", [" ", "x" * 256, "caf\u00e9"])
async def test_an_idempotency_key_has_visible_characters(client: Client, name: str) -> None:
    """Another key is a 400 with its path, because a client could not repeat it reliably."""
    headers = [
        (b"authorization", b"Bearer " + client.key.encode()),
        (b"idempotency-key", name.encode("latin-1")),
    ]
    answer = await client.server.client.post(
        client.prefix + "/contacts", headers=headers, json={"email": "ada@example.com"}
    )
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.text
    assert await client.total("/contacts") == 0


async def test_idempotency_keys_belong_to_an_api_key(client: Client) -> None:
    """Two API keys of a workspace can use the same idempotency key for different requests."""
    other = Client(client.server, await client.server.key("topmail", "one"), "/api/v1")
    assert (await client.post("/contacts", {"email": "ada@example.com"}, "n")).status_code == 201
    assert (await other.post("/contacts", {"email": "bob@example.com"}, "n")).status_code == 201
    assert await client.total("/contacts") == 2


async def test_a_body_of_another_media_type_is_another_request(server: Server) -> None:
    """A form that contains a file differs from a plain file with the same bytes."""
    headers = {**bearer(await server.key("misar", "one")), "Idempotency-Key": "n"}
    part = 'Content-Disposition: form-data; name="file"\r\n\r\nemail\nada@example.com\n'
    body = f"--xx\r\n{part}\r\n--xx--\r\n".encode()
    sent = []
    for media in ("multipart/form-data; boundary=xx", "Multipart/Form-Data; boundary=xx", "text/csv"):
        send = server.client.post(
            "/mail/v1/contacts/import", content=body, headers=headers | {"Content-Type": media}
        )
        sent.append(await send)
    assert [answer.status_code for answer in sent] == [200, 200, 409]
    assert sent[1].headers["idempotency-replayed"] == "true"


async def test_responses_are_deleted_after_a_day(url: str) -> None:
    """They contain contacts, so the background deletes them even without another request."""
    engine = create_engine(url)
    await engine.open()

    async def kept() -> int:
        rows = await engine.read(lambda tx: tx.fetch_all(Statement(select(idempotent_responses.c.body))))
        return len(rows)

    async with serving(url, now=NOW) as server:
        for workspace in ("one", "two"):
            client = Client(server, await server.key("topmail", workspace), "/api/v1")
            assert (await client.post("/contacts", {"email": "ada@example.com"}, "n")).status_code == 201
        for later, number in ((DAY, 2), (DAY + 1, 0)):
            scheduler = Scheduler(Sweeper(engine, lambda later=later: NOW + later))  # type: ignore[misc]
            while await scheduler.run_next_step() is not None:
                pass
            assert await kept() == number
    await engine.close()
