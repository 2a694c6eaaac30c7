"""The unread part of a body is read before the response; a whole body has a deadline."""

import asyncio
import weakref
from typing import Any

import pytest

from diglot.errors import RequestTimeout
from diglot.server import asgi
from diglot.server.guards import unread_body

HEADERS = [(b"transfer-encoding", b"chunked")]


class _Client:
    """A client that sends pieces without end, or stops sending."""

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


async def _refuse(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _status(client: _Client, headers: list[tuple[bytes, bytes]]) -> int:
    return int((await _start(_refuse, client.receive, headers))["status"])


async def _start(
    app: asgi.App, receive: asgi.Receive, headers: list[tuple[bytes, bytes]], body_seconds: float = 30
) -> dict[str, Any]:
    """Return the start of the response of a wrapped app."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    await asgi.ServerApp(app, lambda path: None, {}, options=asgi.Options(body_seconds=body_seconds))(
        scope, receive, send
    )
    return sent[0]


async def test_a_body_without_end_is_read_to_the_limit() -> None:
    """A client that never ends its body gets its response after the limit."""
    client = _Client(None)
    assert await _status(client, HEADERS) == 401
    assert client.sent * 65_536 == unread_body.MAX_UNREAD_BYTES


async def test_a_client_that_stalls_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the rest of a body ends."""
    monkeypatch.setattr(unread_body, "UNREAD_SECONDS", 0.01)
    client = _Client(3)
    assert await _status(client, HEADERS) == 401
    assert client.sent == 3


@pytest.mark.parametrize("length", [b"0", b"65536", b"67108865", b"9" * 5_000, b"x", b""])
async def test_short_or_very_long_bodies_are_not_waited_for(length: bytes) -> None:
    """A short body fits the buffers; a client that announces more than the limit is answered immediately."""
    client = _Client(0)
    assert await _status(client, [(b"content-length", length)]) == 401
    assert client.sent == 0


async def _read(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    """Read a whole body and answer 200, or 408."""
    del scope
    try:
        while (await receive()).get("more_body", False):
            continue
    except RequestTimeout:
        status = 408
    else:
        status = 200
    await send({"type": "http.response.start", "status": status, "headers": []})


def _paced(size: int, pieces: int, pause: float) -> asgi.Receive:
    """Return a `receive` that delivers pieces of a size, with a pause before each."""
    left = iter(range(pieces - 1, -1, -1))

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b" " * size, "more_body": bool(next(left))}

    return receive


@pytest.mark.parametrize("headers", [HEADERS, [(b"content-length", b"8")]])
async def test_a_body_that_trickles_is_rejected(headers: list[tuple[bytes, bytes]]) -> None:
    """Each piece comes soon, but all of them too late: the connection is closed, and nothing more is read."""
    start = await _start(_read, _paced(1, 8, 0.02), headers, body_seconds=0.05)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


async def test_a_long_body_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same time is enough for a client whose pieces have the size of the minimum rate."""
    monkeypatch.setattr(unread_body, "BYTES_A_SECOND", 1_000)
    start = await _start(_read, _paced(100, 8, 0.02), HEADERS, body_seconds=0.05)
    assert start["status"] == 200
    assert (b"connection", b"close") not in start["headers"]


async def test_a_busy_server_takes_no_time_from_a_client() -> None:
    """The time between two pieces in which the server is busy elsewhere does not count."""

    async def slow(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asyncio.sleep(0.1)
        await receive()
        await asyncio.sleep(0.1)
        await _read(scope, receive, send)

    assert (await _start(slow, _paced(1, 3, 0), HEADERS, body_seconds=0.05))["status"] == 200


async def test_a_client_that_waits_for_its_answer_has_no_deadline() -> None:
    """After the end of the body only the end of the connection is awaited, without a deadline."""

    async def waiting(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await receive()
        await asyncio.sleep(0)
        await receive()
        await _refuse(scope, receive, send)

    messages = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.1 if len(messages) == 1 else 0)
        return messages.pop(0)

    assert (await _start(waiting, receive, HEADERS, body_seconds=0.05))["status"] == 401


async def test_an_answered_request_is_released() -> None:
    """An app that keeps the request does not keep its connection open for the rest of the body."""
    kept: list[Any] = []

    async def keeping(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        kept.extend((receive, send))
        await _refuse(scope, receive, send)

    class Protocol(_Client):
        async def send(self, message: dict[str, Any]) -> None:
            del message

    protocol = Protocol(1)
    gone = weakref.ref(protocol)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"8")]}
    await asgi.ServerApp(keeping, lambda path: None, {})(scope, protocol.receive, protocol.send)
    del protocol
    assert gone() is None
    assert await kept[0]() == {"type": "http.disconnect"}
    await kept[1]({"type": "http.response.body"})
