"""An upstream that records requests and sends the replies of a test, byte by byte."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

PIECE: Final = 65_536
_KEPT: Final = 100_000


@dataclass
class ReceivedRequest:
    """A received request: its head as sent, its body, and whether it is complete."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    size: int = 0
    body: bytes = b""
    digest: str = ""
    whole: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key.lower() == name]


Reply = Callable[[ReceivedRequest, asyncio.StreamWriter], Awaitable[None]]


async def echo(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
    """Reply with the received request as JSON."""
    body = json.dumps({"target": taken.target, "size": taken.size, "digest": taken.digest}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + (b"" if taken.method == "HEAD" else body))


def fixed_reply(*pieces: bytes, closing: bool = False, abort: bool = False) -> Reply:
    """Return a reply of these bytes; `closing` and `abort` end the connection after them."""

    async def reply(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        del taken
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if abort:
            await asyncio.sleep(0.2)
            writer.transport.abort()
        elif closing:
            writer.close()

    return reply


async def no_reply(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
    """Send nothing until the caller leaves."""
    del writer
    await taken.left.wait()


@dataclass
class Upstream:
    """A server of HTTP/1.1: `reply` answers, `requests` are the requests so far, the newest last."""

    base: str = ""
    requests: list[ReceivedRequest] = field(default_factory=list)
    reply: Reply = echo
    connections: int = 0
    # A body is not read before this is set, so that a test can make a caller wait.
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another."""
        self.connections += 1
        taken: ReceivedRequest | None = None
        try:
            while True:
                taken = _head(await reader.readuntil(b"\r\n\r\n"))
                self.requests.append(taken)
                await self.reads.wait()
                await _body(taken, reader)
                leaving = asyncio.create_task(_leaving(taken, reader, writer))
                await self.reply(taken, writer)
                await writer.drain()
                leaving.cancel()
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            if taken is not None:
                taken.left.set()
        finally:
            writer.close()


def _head(head: bytes) -> ReceivedRequest:
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [line.split(":", 1) for line in lines]
    return ReceivedRequest(method, target, [(name, value.strip()) for name, value in pairs])


async def _body(taken: ReceivedRequest, reader: asyncio.StreamReader) -> None:
    digest = hashlib.sha256()
    async for piece in _pieces(taken, reader):
        taken.size += len(piece)
        digest.update(piece)
        if len(taken.body) < _KEPT:
            taken.body += piece
    taken.digest = digest.hexdigest()
    taken.whole = True


async def _pieces(taken: ReceivedRequest, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    if taken.values("transfer-encoding"):
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif lengths := taken.values("content-length"):
        left = int(lengths[0])
        while left:
            piece = await reader.read(min(left, PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece


async def _leaving(
    taken: ReceivedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Notice that the caller leaves during a reply."""
    while not reader.at_eof() and not writer.is_closing():  # noqa: ASYNC110 - only a read shows the end
        await asyncio.sleep(0.02)
    taken.left.set()


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """Serve on a free port."""
    result = Upstream()
    result.reads.set()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await result.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=PIECE)
    result.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield result
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
