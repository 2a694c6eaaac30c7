"""Connections that keep a server process waiting: idle ones, slow heads, slow bodies, another protocol."""

import asyncio
import json
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from diglot.server import granian_options, worker_processes
from diglot.server.addresses import ListenAddress
from diglot.server.guards.stop import ParentPipe
from support.engines import SQLITE
from support.servers.in_process import bearer
from support.servers.process import ServerProcess, running
from support.servers.upstream import Upstream, upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")
IDLE = 1_100
ELSEWHERE = "127.0.0.2"
SECONDS = 1
# Extra seconds on a deadline, because the machine may be busy.
SLACK = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
LATE = "The body did not come in time"
# Dialect (empty: none), path, the response.
SLOW: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("misar", "/mail/v1/segments", {"success": False, "error": LATE}),
    ("misar", "/mail/v1/contacts/import", {"success": False, "error": LATE}),
    ("misar", "/mail/v1/emails", {"success": False, "error": LATE}),
    ("misar", "/io/contacts/segments/preview", {"error": LATE}),
    ("topmail", "/api/v1/segments", {"error": {"code": "request_timeout", "message": LATE}}),
    ("topmail", "/api/v1/emails", {"error": {"code": "request_timeout", "message": LATE}}),
    ("", "/session", {"error": LATE}),
)
FRAMINGS = {"Content-Length: 100": b"%s", "Transfer-Encoding: chunked": b"1\r\n%s\r\n"}


@dataclass
class Served:
    """A server with short deadlines and an upstream for both dialects."""

    live: ServerProcess
    up: Upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    """Serve with deadlines of one second."""
    async with upstream() as up, SQLITE.fresh() as url:
        flags = ("--idle-timeout", str(SECONDS), "--body-timeout", str(SECONDS))
        upstreams = ("--misar-upstream", up.base, "--topmail-upstream", up.base)
        async with running(url, *flags, *upstreams) as live:
            yield Served(live, up)


@contextmanager
def idle_connections(live: ServerProcess) -> Iterator[None]:
    """Keep many connections from another address open without sending anything."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * IDLE:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * IDLE, hard))
    where = urlsplit(live.base)
    assert where.hostname is not None
    assert where.port is not None
    with ExitStack() as kept:
        for _ in range(IDLE):
            address = (where.hostname, where.port)
            kept.enter_context(socket.create_connection(address, SLACK, source_address=(ELSEWHERE, 0)))
        yield


async def until_closed(live: ServerProcess, *pieces: bytes, every: float = 0.0) -> tuple[bytes, float]:
    """Send pieces until the server closes the connection; return its bytes and the seconds until then."""
    where = urlsplit(live.base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    started = time.monotonic()

    async def send() -> None:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(every)

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(SECONDS + SLACK):
            output = await reader.read()
    finally:
        sending.cancel()
        writer.close()
    return output, time.monotonic() - started


async def test_many_idle_connections_do_not_block_a_newcomer() -> None:
    """1,100 idle connections from one address do not block connections from another."""
    async with SQLITE.fresh() as url, running(url) as live:
        key = await live.key("misar")
        with idle_connections(live):
            async with httpx.AsyncClient(base_url=live.base, timeout=SLACK) as client:
                answer = await client.get("/mail/v1/segments", headers=bearer(key))
        assert answer.status_code == 200


async def test_http_2_is_rejected(served: Served) -> None:
    """The server closes a connection that begins as HTTP/2, without a frame of that protocol."""
    said, took = await until_closed(served.live, PREFACE)
    assert not said or said.startswith(b"HTTP/1.1 400 ")
    assert took < SECONDS


async def test_a_connection_without_a_head_is_closed(served: Served) -> None:
    """The head of a request has one deadline, counted from the connection or from the previous response."""
    slow_head = [b"GET /health HTTP/1.1\r\n", *[b"X-Slow: 1\r\n"] * 100]
    kept = [b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]
    sent: tuple[list[bytes], ...] = ([], slow_head, kept)
    result = await asyncio.gather(*(until_closed(served.live, *pieces, every=0.2) for pieces in sent))
    assert [said.count(b"HTTP/1.1 200 ") for said, _ in result] == [0, 0, 1]
    for _, took in result:
        assert SECONDS - 0.1 < took < SECONDS + SLACK


async def test_a_head_has_a_limit(served: Served) -> None:
    """A head over 64 KiB is rejected, so that many unfinished heads do not fill the memory."""
    said, took = await until_closed(served.live, b"GET /health HTTP/1.1\r\nX: " + b"x" * 70_000)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert took < SECONDS


async def trickle(served: Served, dialect: str, path: str, framing: str) -> tuple[bytes, float]:
    """Send a body one byte at a time; return the server's bytes and the seconds until it closed."""
    key = bearer(await served.live.key(dialect)) if dialect else {}
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", framing]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in key.items()), "", ""])
    pieces = [FRAMINGS[framing] % b" "] * 90
    return await until_closed(served.live, head.encode(), *pieces, every=0.1)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_slow_body_is_rejected(served: Served, framing: str) -> None:
    """A trickling body is answered 408 in the caller's dialect, and its connection is closed."""
    served.up.requests.clear()
    result = await asyncio.gather(*(trickle(served, dialect, path, framing) for dialect, path, _ in SLOW))
    for (said, took), (_, path, body) in zip(result, SLOW, strict=True):
        head, _, content = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 "), path
        assert b"\r\nconnection: close" in head.lower(), path
        assert json.loads(content) == body, path
        assert SECONDS - 0.1 < took < SECONDS + SLACK, path
    assert len(served.up.requests) == 2
    await asyncio.wait_for(served.up.requests[-1].left.wait(), SLACK)
    assert not any(taken.whole for taken in served.up.requests)


async def test_a_stalled_body_does_not_delay_a_response(served: Served) -> None:
    """A client that stalls inside a body that no call reads gets its response in time, and is closed."""
    head = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    said, took = await until_closed(served.live, head)
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close" in said.lower()
    assert took < SECONDS + SLACK


@pytest.mark.parametrize(
    ("limits", "room", "raised"),
    [
        ((1_024, 524_288), 4_096, [(4_608, 524_288)]),
        ((1_024, -1), 4_096, [(4_608, -1)]),
        ((-1, -1), 4_096, []),
        ((100_000, 100_000), 4_096, []),
        ((1_024, 4_000), 3_488, [(4_000, 4_000)]),
        ((256, 256), 128, []),
    ],
)
async def test_a_worker_accepts_no_more_connections_than_open_files(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], room: int, raised: list[tuple[int, int]]
) -> None:
    """The soft limit of open files rises to the need or to the hard limit; connections stay below it."""
    results: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: results.append(given))
    assert granian_options.make_room() == room
    assert results == raised


class _Stubborn:
    """A worker that ends only when it is killed."""

    idx = 0
    exitcode = None
    interrupt_by_parent = False

    def __init__(self) -> None:
        self.inner = self
        self.orders: list[str] = []
        self.waits: list[float | None] = []

    def terminate(self) -> None:
        self.orders.append("terminate")

    def kill(self) -> None:
        self.orders.append("kill")

    def join(self, timeout: float | None = None) -> None:
        self.waits.append(timeout)

    def is_alive(self) -> bool:
        return "kill" not in self.orders


async def test_a_stop_waits_once_for_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker held by a half-sent request is killed after one shutdown timeout, not after two."""
    monkeypatch.setattr(worker_processes, "STOP_SECONDS", 0.05)
    parent = ParentPipe()
    stopping = worker_processes.Announcing(
        ListenAddress("127.0.0.1", 1), lambda: None, parent, workers_kill_timeout=15
    )
    worker: Any = _Stubborn()
    stopping.wrks = [worker]
    stopping._stop_workers()
    assert worker.orders == ["terminate", "kill"]
    assert max(wait for wait in worker.waits if wait is not None) <= 1
