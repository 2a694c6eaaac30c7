"""A receiver of webhooks: an HTTP server that records requests and sends the replies of a test."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[["ReceivedRequest"], Awaitable[bytes]]


@dataclass(frozen=True)
class ReceivedRequest:
    """A received request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def email(self) -> str:
        """The address of the contact in it."""
        return str(self.json["data"]["email"])


def answer(status: int, body: bytes = b"ok", *headers: str) -> bytes:
    """Return a response as bytes."""
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Receiver:
    """A receiver on a port of this machine; `reply` returns the responses, in bytes."""

    url: str = ""
    port: int = 0
    requests: list[ReceivedRequest] = field(default_factory=list)
    reply: Answer | None = None
    status: int = 200
    connections: int = 0

    @property
    def emails(self) -> list[str]:
        """The addresses of the contacts in the requests, in order."""
        return [request.email for request in self.requests]

    async def wait(self, number: int, seconds: float = 30) -> None:
        """Wait for a number of requests."""
        async with asyncio.timeout(seconds):
            while len(self.requests) < number:  # noqa: ASYNC110 - several tasks wait, each for its own number
                await asyncio.sleep(0.005)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                got = await _read(reader)
                self.requests.append(got)
                writer.write(answer(self.status) if self.reply is None else await self.reply(got))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return


async def _read(reader: asyncio.StreamReader) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return ReceivedRequest(
        head[0].split(" ")[1], headers, await reader.readexactly(int(headers["content-length"]))
    )


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiving(
    tls: ssl.SSLContext | None = None, handler: Handler | None = None
) -> AsyncIterator[Receiver]:
    """Lend a receiver; `handler` replaces its handling of a connection."""
    receiver = Receiver()
    serve = handler or receiver.serve
    serving: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()
            serving.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{receiver.port}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for task in serving:
            task.cancel()
        # The loop closes aborted connections in its next iteration.
        await asyncio.sleep(0.01)
