"""Clients without a key that hold connections, and clients that do not read: a newcomer is answered."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from diglot.server.proxy.exchange_limits import MAX_EXCHANGES_OF_NETWORK
from support.engines import SQLITE
from support.newcomer import ATTACKER_ADDRESS, attacker, newcomer
from support.servers.process import ServerProcess, running
from support.servers.upstream import no_reply, upstream

MEBIBYTE = 1024 * 1024
MAX_MEMORY = 400 * MEBIBYTE
LENGTH = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
BODY = f"POST /session HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n{LENGTH}"
# What each connection sends first, and then every second.
ATTACKS = {
    "idle": ("", ""),
    "trickling heads": ("GET /health HTTP/1.1\r\n", "X-Slow: 1\r\n"),
    "trickling bodies": (BODY, " "),
    "unread answers": ("GET /docs/README.md HTTP/1.1\r\nHost: x\r\n\r\n", ""),
    "trickled calls": (f"POST /mail/v1/emails HTTP/1.1\r\nHost: x\r\n{LENGTH}", " "),
}


class Connections:
    """Connections of an attacker, which other connections of its do not wait for."""

    def __init__(self, live: ServerProcess, stack: ExitStack) -> None:
        self._where = urlsplit(live.base)
        self._stack = stack
        self.open: list[socket.socket] = []

    def connect(self, count: int, first: str) -> None:
        """Open connections, and send the beginning."""
        for _ in range(count):
            address = (self._where.hostname or "", self._where.port or 0)
            try:
                made = socket.create_connection(address, 5, source_address=(ATTACKER_ADDRESS, 0))
            except (BrokenPipeError, ConnectionResetError):
                continue  # the server closed it at once, as it may
            self.open.append(self._stack.enter_context(made))
            self.send(made, first)

    def trickle(self, piece: str) -> None:
        """Send a piece on each connection that is still open."""
        for each in self.open:
            self.send(each, piece)

    @staticmethod
    def send(connection: socket.socket, text: str) -> None:
        try:
            connection.sendall(text.encode())
        except OSError:
            return  # the server closed it, as it should


@asynccontextmanager
async def connections(live: ServerProcess) -> AsyncIterator[Connections]:
    """Lend connections to a server, which close at the end."""
    with ExitStack() as stack:
        yield Connections(live, stack)


def memory(live: ServerProcess) -> int:
    """Return the memory of all processes of a server, in bytes."""
    statm = (Path(f"/proc/{pid}/statm").read_text().split() for pid in (live.pid, *live.workers))
    return sum(int(fields[1]) * 4_096 for fields in statm)


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition holds; raise `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.1)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("attack", ATTACKS)
async def test_held_connections_leave_room(attack: str, pytestconfig: pytest.Config) -> None:
    """One address holds many connections, whatever they do, and a newcomer is answered."""
    first, piece = ATTACKS[attack]
    count = pytestconfig.getoption("held_connections")
    async with upstream() as up, SQLITE.fresh() as url:
        up.reply = no_reply
        async with (
            running(url, "--misar-upstream", up.base) as live,
            newcomer(live),
            connections(live) as held,
        ):
            await asyncio.to_thread(held.connect, count, first)
            until_time = time.monotonic() + pytestconfig.getoption("held_seconds")
            while time.monotonic() < until_time:
                await asyncio.sleep(1)
                await asyncio.to_thread(held.trickle, piece)
            still_open = sum(not taken.left.is_set() for taken in up.requests)
            assert still_open <= MAX_EXCHANGES_OF_NETWORK


async def fill(live: ServerProcess) -> str:
    """Give the attacker contacts whose list is an answer of 6 MB; return its key."""
    async with attacker(live) as client:
        for part in range(5):
            contacts: list[dict[str, Any]] = [
                {"email": f"{part}-{number}@example.com", "custom_fields": {"text": "x" * 29_000}}
                for number in range(20)
            ]
            made = await client.post("/mail/v1/contacts/import", json={"contacts": contacts})
            assert made.status_code == 200, made.text
        page = await client.get("/mail/v1/contacts?limit=100")
        assert len(page.content) > 5 * MEBIBYTE
        return str(client.headers["authorization"])


async def test_unread_answers_cost_little(pytestconfig: pytest.Config) -> None:
    """Clients that do not read 6 MB keep the memory bounded, and are cut off soon."""
    async with SQLITE.fresh() as url, running(url, "--send-timeout", "2") as live:
        secret = await fill(live)
        before = memory(live)
        request = f"GET /mail/v1/contacts?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: {secret}\r\n\r\n"
        async with connections(live) as held:
            await asyncio.to_thread(held.connect, pytestconfig.getoption("unread_answers"), request)
            highest = 0
            for _ in range(20):
                highest = max(highest, memory(live))
                await asyncio.sleep(0.1)
            assert highest < MAX_MEMORY
            # The allocator keeps 20 to 40 MiB of what was freed.
            await until(lambda: memory(live) < before + 64 * MEBIBYTE, 30)
