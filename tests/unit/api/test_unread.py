"""What a call does not read of a body is read before its answer goes out, to a limit and for a time."""

import asyncio
from typing import Any

import pytest

from diglot import http

HEADERS = [(b"transfer-encoding", b"chunked")]


class _Client:
    """Sends pieces without end, or stops sending without a word."""

    def __init__(self, pieces: int | None) -> None:
        self.left = pieces
        self.sent = 0

    async def receive(self) -> dict[str, Any]:
        if self.left == 0:
            await asyncio.Event().wait()
        if self.left is not None:
            self.left -= 1
        self.sent += 1
        return {"type": "http.request", "body": b" " * 65_536, "more_body": True}


async def _refuse(scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _status(client: _Client, headers: list[tuple[bytes, bytes]]) -> int:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    await http.Outer(_refuse, lambda path: None, {})(scope, client.receive, send)
    return int(sent[0]["status"])


async def test_a_body_without_end_is_read_to_the_limit() -> None:
    """A client that never ends gets its answer after the limit."""
    client = _Client(None)
    assert await _status(client, HEADERS) == 401
    assert client.sent * 65_536 == http.MOST_UNREAD


async def test_a_client_that_stalls_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the rest of a body ends."""
    monkeypatch.setattr(http, "UNREAD_SECONDS", 0.01)
    client = _Client(3)
    assert await _status(client, HEADERS) == 401
    assert client.sent == 3


@pytest.mark.parametrize("length", [b"0", b"65536", b"67108865", b"9" * 5_000, b"x", b""])
async def test_what_is_short_or_far_too_long_is_not_waited_for(length: bytes) -> None:
    """A short body fits the buffers; who announces more than the limit is answered at once."""
    client = _Client(0)
    assert await _status(client, [(b"content-length", length)]) == 401
    assert client.sent == 0
