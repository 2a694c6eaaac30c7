"""A client that takes a streamed response chunk by chunk, and may act before it takes the next."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from support.servers.asgi import Request
from support.servers.in_process import Server


@dataclass
class ChunkReader:
    """A client of one response; `left` tells the server that it has gone."""

    server: Server
    path: str
    key: str
    query: bytes = b""
    before_chunk: Callable[[int], Awaitable[None]] | None = None
    chunks: list[bytes] = field(default_factory=list)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    asked: bool = False
    ended: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Read the response to its end."""
        headers = [(b"authorization", f"Bearer {self.key}".encode())]
        scope = Request("GET", self.path.encode(), self.query, headers=headers).scope()
        await self.server.app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
            self.headers = dict(message["headers"])
            return
        if self.before_chunk is not None:
            await self.before_chunk(len(self.chunks))
        self.chunks.append(message["body"])
        self.ended = not message.get("more_body", False)

    @property
    def body(self) -> bytes:
        """The whole response."""
        assert self.ended
        return b"".join(self.chunks)
