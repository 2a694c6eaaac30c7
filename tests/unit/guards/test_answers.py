"""Answers that clients do not read: their deadline, the budget of a process, and what comes of a bug."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from diglot.api.responses import ErrorResponse
from diglot.dialects.registry import DIALECTS
from diglot.server import asgi
from diglot.server.errors import find_renderer
from diglot.server.guards import answers, sockets
from diglot.server.guards.answers import PIECE_BYTES, Answer, AnswerLimits
from diglot.server.guards.client_gone import ClientGone

Message = dict[str, Any]


def scope(client: str = "192.0.2.1", **more: Any) -> dict[str, Any]:
    """Return the scope of a request."""
    own = {"type": "http", "method": "GET", "path": "/mail/v1/segments", "headers": []}
    return {**own, "client": (client, 5), "server": ("127.0.0.1", 8000), **more}


def busy(path: str) -> Callable[[Exception], ErrorResponse]:
    """Return what renders the refusal of an answer in the dialect of a path."""
    del path
    return DIALECTS[0].surfaces[0].render_error


async def send(answer: Answer, body: bytes) -> None:
    """Send an answer as the calls do."""
    headers = [(b"content-type", b"text/x"), (b"content-length", b"%d" % len(body)), (b"x-request-id", b"r")]
    await answer.send({"type": "http.response.start", "status": 200, "headers": headers})
    await answer.send({"type": "http.response.body", "body": body})


class Client:
    """A client that takes a number of messages and then reads nothing."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.got: list[Message] = []

    async def take(self, message: Message) -> None:
        if len(self.got) >= self.takes:
            await asyncio.Event().wait()
        self.got.append(message)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES])
async def test_an_answer_arrives_whole(size: int) -> None:
    """A long answer is sent in pieces, so that its client decides how fast."""
    client, limits, body = Client(99), AnswerLimits(), bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    await send(Answer(scope(), client.take, limits, busy), body)
    start, *pieces = client.got
    assert start["status"] == 200
    assert b"".join(piece["body"] for piece in pieces) == body
    assert all(len(piece["body"]) <= PIECE_BYTES for piece in pieces)
    more = [piece.get("more_body", False) for piece in pieces]
    assert more == [True] * (len(pieces) - 1) + [False]
    assert not limits.held


async def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline the connection is reset, the budget is free, and nothing more is sent."""
    ended: list[tuple[int, str, int]] = []
    monkeypatch.setattr(sockets, "abort_client", lambda *which: ended.append(which))
    monkeypatch.setattr(answers, "BYTES_A_SECOND", 1e9)
    client, limits = Client(3), AnswerLimits(seconds=0.05)
    answer = Answer(scope(), client.take, limits, busy)
    with pytest.raises(ClientGone):
        await send(answer, bytes(9 * PIECE_BYTES))
    assert ended == [(8000, "192.0.2.1", 5)]
    assert not limits.held
    with pytest.raises(ClientGone):
        await answer.send({"type": "http.response.body", "body": b"x", "more_body": True})
    assert len(client.got) == 3


async def test_a_slow_reader_has_more_time_for_more_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline grows with what the client takes."""
    monkeypatch.setattr(answers, "BYTES_A_SECOND", PIECE_BYTES)

    async def slowly(message: Message) -> None:
        await asyncio.sleep(0.04 if message["type"] == "http.response.body" else 0)

    await send(Answer(scope(), slowly, AnswerLimits(seconds=0.25), busy), bytes(9 * PIECE_BYTES))


async def test_an_answer_without_room_is_a_503() -> None:
    """Unread answers of one network leave room for those of others; small answers need none."""
    limits = AnswerLimits(most=10 * PIECE_BYTES, most_of_network=5 * PIECE_BYTES)
    stuck = [
        asyncio.create_task(send(Answer(scope(ip), Client(2).take, limits, busy), bytes(4 * PIECE_BYTES)))
        for ip in ("192.0.2.1", "192.0.2.2")
    ]
    await asyncio.sleep(0)
    for ip, size, status in (
        ("192.0.2.1", 2 * PIECE_BYTES, 503),
        ("192.0.2.3", 2 * PIECE_BYTES, 200),
        ("192.0.2.3", 3 * PIECE_BYTES, 503),
        ("192.0.2.1", PIECE_BYTES, 200),
    ):
        client = Client(99)
        answer = Answer(scope(ip), client.take, limits, busy)
        await send(answer, bytes(size))
        headers = dict(client.got[0]["headers"])
        assert (client.got[0]["status"], answer.status) == (status, status)
        assert headers[b"x-request-id"] == b"r"
        if status == 503:
            assert headers[b"retry-after"] == b"2"
            assert headers[b"content-length"] == b"%d" % len(client.got[1]["body"])
            assert b"The server is busy" in client.got[1]["body"]
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    assert not limits.held


async def answered(app: asgi.App, path: str = "/api/v1/x") -> list[Message]:
    """Return what a wrapped app sends."""
    client = Client(99)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"transfer-encoding", b"chunked")]
    options = asgi.Options(renderer_for=find_renderer)
    await asgi.ServerApp(app, lambda path: None, {}, options=options)(
        scope(path=path, headers=headers), receive, client.take
    )
    return client.got


async def test_a_bug_is_a_500_in_the_dialect(caplog: pytest.LogCaptureFixture) -> None:
    """The server's own bare answer, which names its software, is never sent; the log has the traceback."""

    async def fail(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a bug")

    with caplog.at_level(logging.ERROR, "diglot"):
        start, body = await answered(fail)
    assert start["status"] == 500
    assert b'"code":"internal_error"' in body["body"]
    assert (b"server", b"diglot") in start["headers"]
    assert "a bug" in caplog.text

    async def fail_late(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise RuntimeError("a bug")

    assert [message.get("body") for message in await answered(fail_late)] == [None, b"x"]


async def test_a_broken_body_is_a_400_in_the_dialect() -> None:
    """An app that gives up on a body which ends early leaves the answer to the server."""

    async def give_up(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        del scope, send
        await receive()

    start, body = await answered(give_up)
    assert start["status"] == 400
    assert b'"message":"The body ends before its end"' in body["body"]
