"""HTTP/1.1 over raw streams, with prebuilt requests: a client that costs less than what it measures."""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

HEAD_LIMIT: Final = 2**16
# What a connection raises that the server closed, or that brings something else than HTTP.
CUT: Final = (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError)


def request(method: str, path: str, key: str = "", body: bytes | None = None) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def json_request(method: str, path: str, key: str, body: Any) -> bytes:
    """Return the bytes of a request with a JSON body."""
    return request(method, path, key, json.dumps(body, separators=(",", ":")).encode())


@dataclass
class Connections:
    """Keep-alive connections to a server from one address; a call takes an idle one or opens another."""

    port: int
    address: str
    idle: list[tuple[StreamReader, StreamWriter]] = field(default_factory=list)

    async def call(self, content: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body; raise one of CUT if the connection ends."""
        while self.idle:
            kept = self.idle.pop()
            # The server may have closed a connection that was idle; nothing was answered on it.
            with suppress(*CUT):
                return await self._exchange(kept, content)
        opened = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=HEAD_LIMIT, local_addr=(self.address, 0)
        )
        return await self._exchange(opened, content)

    def close(self) -> None:
        """Close the idle connections."""
        while self.idle:
            self.idle.pop()[1].close()

    async def _exchange(self, pair: tuple[StreamReader, StreamWriter], content: bytes) -> tuple[int, bytes]:
        reader, writer = pair
        try:
            writer.write(content)
            status, body, keeps = await _answer(reader)
        except BaseException:
            writer.close()
            raise
        if keeps:
            self.idle.append(pair)
        else:
            writer.close()
        return status, body


async def _answer(reader: StreamReader) -> tuple[int, bytes, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    return int(head[9:12]), body, b"\r\nconnection: close" not in head


async def _chunks(reader: StreamReader) -> bytes:
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)
