"""Sends a hundred megabytes through a server to an upstream and back. Measures how much its memory grows."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Final

import httpx

from bench.load import MEGABYTE, memory, reset_peaks
from support.engines import DATABASES
from support.servers.process import ServerProcess, running
from support.servers.upstream import PIECE, ReceivedRequest, Upstream, upstream

SIZE: Final = 100 * MEGABYTE
# The receiving side waits this long before it reads, so that the sending side has to wait for it.
PAUSE: Final = 1.0
_BLOCK: Final = bytes(range(256)) * (PIECE // 256)
DIGEST: Final = hashlib.sha256(_BLOCK * (SIZE // PIECE)).hexdigest()


@dataclass(frozen=True)
class Row:
    """One transfer: seconds, memory in bytes before it, and how far the peak lies above that."""

    name: str
    seconds: float
    before: int
    growth: int


async def measure() -> list[Row]:
    """Send and fetch through a separate server process; raise an error if a byte is wrong."""
    async with (
        upstream() as up,
        DATABASES[0].fresh() as url,
        running(url, "--misar-upstream", up.base) as live,
        httpx.AsyncClient(base_url=live.base, timeout=60) as client,
    ):
        for size in (MEGABYTE, 4 * MEGABYTE):
            await _send(client, up, size, length=True)
            await _fetch(client, up, size, length=False)
        return [
            await _measured("sent, length announced", live, _send(client, up, SIZE, length=True)),
            await _measured("sent in chunks", live, _send(client, up, SIZE, length=False)),
            await _measured("fetched, length announced", live, _fetch(client, up, SIZE, length=True)),
            await _measured("fetched in chunks", live, _fetch(client, up, SIZE, length=False)),
        ]


async def _measured(name: str, live: ServerProcess, transfer: Awaitable[str]) -> Row:
    reset_peaks(live.pid)
    before = memory(live.pid)["VmRSS"]
    started = time.perf_counter()
    if await transfer != DIGEST:
        raise RuntimeError(f"{name}: the bytes differ")
    took = time.perf_counter() - started
    return Row(name, took, before, memory(live.pid)["VmHWM"] - before)


async def _send(client: httpx.AsyncClient, up: Upstream, size: int, *, length: bool) -> str:
    headers = {"Content-Length": str(size)} if length else {}
    up.reads.clear()
    asyncio.get_running_loop().call_later(PAUSE, up.reads.set)
    answer = await client.post("/mail/v1/attachments", headers=headers, content=_blocks(size))
    if answer.json()["size"] != size:
        raise RuntimeError(f"{answer.text} instead of {size} bytes")
    return str(answer.json()["digest"])


async def _blocks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // PIECE):
        yield _BLOCK


async def _fetch(client: httpx.AsyncClient, up: Upstream, size: int, *, length: bool) -> str:
    async def reply(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        del taken
        how = f"Content-Length: {size}" if length else "Transfer-Encoding: chunked"
        writer.write(f"HTTP/1.1 200 OK\r\n{how}\r\n\r\n".encode())
        frame = _BLOCK if length else b"%x\r\n%b\r\n" % (PIECE, _BLOCK)
        for _ in range(size // PIECE):
            writer.write(frame)
            await writer.drain()
        writer.write(b"" if length else b"0\r\n\r\n")

    digest = hashlib.sha256()
    before, up.reply = up.reply, reply
    try:
        async with client.stream("GET", "/mail/v1/exports") as answer:
            await asyncio.sleep(PAUSE)
            async for piece in answer.aiter_raw():
                digest.update(piece)
    finally:
        up.reply = before
    return digest.hexdigest()


def report(rows: list[Row]) -> str:
    """Return the table."""
    lines = ["| 100 MiB | seconds | memory before, MiB | growth at the peak, MiB |", "|---|---|---|---|"]
    for row in rows:
        figures = f"{row.seconds:.1f} | {row.before / MEGABYTE:.1f} | {row.growth / MEGABYTE:.1f}"
        lines.append(f"| {row.name} | {figures} |")
    return "\n".join(lines)
