"""Sends requests to an app as a server does, byte by byte, including those that no HTTP client sends."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

Headers = list[tuple[bytes, bytes]]


@dataclass
class Request:
    """A request on the wire; `path` is still percent-encoded, `chunks` are the pieces of its body."""

    method: str
    path: bytes
    query: bytes = b""
    headers: Headers = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)

    def scope(self) -> dict[str, Any]:
        """Return the ASGI scope."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote_to_bytes(self.path).decode("utf-8", "replace"),
            "raw_path": self.path,
            "query_string": self.query,
            "root_path": "",
            "headers": self.headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

    def __str__(self) -> str:
        body = b"".join(self.chunks)
        shown = body if len(body) < 400 else body[:400] + b"..."
        path = self.path[:300].decode("latin-1")
        headers = _shortened(self.headers)
        return f"{self.method} {path}?{self.query[:300]!r} {headers} {len(body)} bytes: {shown!r}"


def _shortened(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name[:40], value[:60]) for name, value in headers[:8] if name != b"authorization"]


@dataclass(frozen=True)
class Answer:
    """The response of an app."""

    status: int
    headers: Headers
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key.lower() == name]


async def send_request(app: Any, request: Request, *, disconnects: bool = False) -> Answer:
    """Send a request to an app; with `disconnects` the client leaves after the last piece of the body."""
    chunks = deque(request.chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if chunks:
            piece = chunks.popleft()
            return {"type": "http.request", "body": piece, "more_body": bool(chunks) or disconnects}
        if disconnects:
            return {"type": "http.disconnect"}
        if not request.chunks and not sent:
            return {"type": "http.request", "body": b"", "more_body": False}
        return await asyncio.Event().wait() and {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(request.scope(), receive, send)
    start = next((message for message in sent if message["type"] == "http.response.start"), None)
    assert start is not None, f"no answer to {request}"
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], list(start["headers"]), body)
