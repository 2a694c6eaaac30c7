"""Tests that need a server process: limits during an upload, clients that leave, odd heads."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from support.servers.in_process import bearer
from support.servers.process import ServerProcess

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
MEGABYTE = 1024 * 1024
SECONDS = 20
# Key (empty: a valid one), path, media type, status.
UNREAD = (
    ("unknown", "/contacts", "application/json", 401),
    ("unknown", "/nothing", "application/json", 404),
    ("", "/contacts", "text/plain", 415),
    ("", "/segments/nothing", "application/json", 405),
)
ODD_HEADS = (
    ("/segments/a%00b", "diglot", 404),
    ("/segments/%ff%ED%A0%80", "diglot", 404),
    ("/segments?limit=%00", "diglot", 400),
    ("/segments", "a b/c?", 400),
    ("/segments", "", 200),
)


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 65_536):
        yield b" " * min(65_536, size - start)


async def _send(live: ServerProcess, head: str, *pieces: bytes, finish: bool = True) -> tuple[int, Any]:
    """Send bytes over a separate connection; return the status and the JSON of the response."""
    where = urlsplit(live.base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(head.replace("\n", "\r\n").encode("latin-1"))
    for piece in pieces:
        writer.write(piece)
    try:
        if not finish:
            await writer.drain()
            return 0, None
        answer = await asyncio.wait_for(_answer(reader), SECONDS)
    finally:
        writer.close()
    return answer


async def _answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.startswith("content-length")]
    body = await reader.readexactly(int(lengths[0])) if lengths else b""
    return int(head.split(" ")[1]), json.loads(body) if body else None


def _code(body: Any) -> str:
    """Return the error text of either dialect."""
    error = body["error"]
    return str(error["message"] if isinstance(error, dict) else error)


@EVERY_DIALECT
async def test_a_body_beyond_the_limit(live: ServerProcess, dialect: Dialect) -> None:
    """The answer is 413 in the dialect's words, for an announced length and for pieces that add up to it."""
    headers = {**bearer(await live.key(dialect.name)), "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=live.base, headers=headers, timeout=SECONDS) as client:
        url = f"{dialect.prefix}/segments"
        at_limit = await client.post(url, content=b" " * MEGABYTE)
        assert at_limit.status_code == 400
        announced = await client.post(url, content=b" " * (MEGABYTE + 1))
        chunked = await client.post(url, content=_chunks(MEGABYTE + 1))
        assert "content-length" not in chunked.request.headers
        for answer in (announced, chunked):
            assert (answer.status_code, "1,048,576" in _code(answer.json())) == (413, True)
        huge = await client.post(url, content=_chunks(40 * MEGABYTE))
        assert huge.status_code == 413
        assert (await client.get(url)).status_code == 200


@EVERY_DIALECT
async def test_a_response_survives_an_unread_body(live: ServerProcess, dialect: Dialect) -> None:
    """A client that is still sending reads its error and can reuse its connection."""
    key = await live.key(dialect.name)
    for token, path, media, status in UNREAD:
        headers = {**bearer(token or key), "Content-Type": media}
        async with httpx.AsyncClient(base_url=live.base, headers=headers, timeout=SECONDS) as client:
            for body in (b" " * 9 * MEGABYTE, _chunks(9 * MEGABYTE)):
                answer = await client.post(f"{dialect.prefix}{path}", content=body)
                assert answer.status_code == status
                assert _code(answer.json())


@EVERY_DIALECT
async def test_a_length_is_rejected_before_the_body_arrives(live: ServerProcess, dialect: Dialect) -> None:
    """A client that announces too much and waits gets its response immediately."""
    key = await live.key(dialect.name)
    head = (
        f"POST {dialect.prefix}/segments HTTP/1.1\nHost: diglot\nAuthorization: Bearer {key}\n"
        f"Content-Type: application/json\nContent-Length: {'9' * 15}\n\n"
    )
    status, body = await _send(live, head)
    assert (status, "1,048,576" in _code(body)) == (413, True)


@EVERY_DIALECT
async def test_an_odd_head(live: ServerProcess, dialect: Dialect) -> None:
    """The dialect answers every head that the HTTP server accepts."""
    key = await live.key(dialect.name)
    for target, host, status in ODD_HEADS:
        head = f"GET {dialect.prefix}{target} HTTP/1.1\nHost: {host}\nAuthorization: Bearer {key}\n\n"
        found, body = await _send(live, head)
        assert found == status, f"{target} at {host}: {body}"
        assert status == 200 or _code(body)


@EVERY_DIALECT
async def test_clients_that_leave(live: ServerProcess, dialect: Dialect) -> None:
    """Clients leave inside their body or before their response: the server goes on, and its counts agree."""
    key = await live.key(dialect.name)
    for number in range(20):
        body = json.dumps({"email": f"left{number}@example.com"}).encode()
        head = (
            f"POST {dialect.prefix}/contacts HTTP/1.1\nHost: diglot\nAuthorization: Bearer {key}\n"
            f"Content-Type: application/json\nContent-Length: {len(body)}\n\n"
        )
        await _send(live, head, body[: None if number % 2 else -1], finish=False)
    async with httpx.AsyncClient(base_url=live.base + dialect.prefix, headers=bearer(key)) as client:
        created = await client.post("/contacts", json={"email": "last@example.com"})
        assert created.status_code == 201
        listed = (await client.get("/contacts?limit=100")).json()
        emails = {item["email"] for item in listed["data"]}
        assert listed["pagination"]["total"] == len(listed["data"]) == len(emails)
        assert "last@example.com" in emails
        assert not {f"left{number}@example.com" for number in range(0, 20, 2)} & emails
