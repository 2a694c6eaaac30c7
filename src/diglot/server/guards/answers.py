"""Sends answers to clients that may not read them: in pieces, within a deadline, and within a budget.

granian keeps an answer that it gets whole in memory until the client has taken it, without a deadline. What
it gets in pieces it takes as the client does, about 300 KiB ahead.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from diglot.api.responses import ErrorResponse, encode_json
from diglot.errors import ServerBusy
from diglot.server.guards import sockets
from diglot.server.guards.client_gone import ClientGone
from diglot.server.guards.connections import BYTES_A_SECOND
from diglot.server.guards.networks import client_network

Message = dict[str, Any]
# A shorter answer is sent whole, because the buffers of a connection hold it.
PIECE_BYTES: Final = 65_536
# The longer answers that a process holds at once, and those of one network among them.
MAX_HELD_BYTES: Final = 96 * 1024 * 1024
MAX_HELD_BYTES_OF_NETWORK: Final = MAX_HELD_BYTES // 2
SEND_SECONDS: Final = 30
# Headers that describe a body, which an error has instead of it.
_OF_A_BODY: Final = (b"content-length", b"content-type", b"content-encoding", b"etag", b"last-modified")


@dataclass(slots=True)
class AnswerLimits:
    """The limits of a process, and how much it holds; `proxies` is the number of trusted reverse proxies."""

    seconds: float = SEND_SECONDS
    proxies: int = 0
    most: int = MAX_HELD_BYTES
    most_of_network: int = MAX_HELD_BYTES_OF_NETWORK
    held: Counter[str] = field(default_factory=Counter)

    def take(self, network: str, size: int) -> bool:
        """Count an answer of a network if there is room for it; one answer of any size always has room."""
        total = self.held.total()
        if total and total + size > self.most:
            return False
        if self.held[network] and self.held[network] + size > self.most_of_network:
            return False
        self.held[network] += size
        return True

    def give_back(self, network: str, size: int) -> None:
        """Count an answer of a network no more."""
        self.held[network] -= size
        if not self.held[network]:
            del self.held[network]

    def take_for(self, scope: dict[str, Any], size: int) -> bool:
        """Count an answer that is about to be made, as `take` does."""
        return self.take(client_network(scope, self.proxies), size)

    def give_back_for(self, scope: dict[str, Any], size: int) -> None:
        """Count an answer that was made no more."""
        self.give_back(client_network(scope, self.proxies), size)


class Answer:
    """The answer to one request, as ASGI messages.

    `status` is 0 until the answer begins; `sent_bytes` counts its body. `renderer_for` returns what
    renders the errors of a path, for a client for whose answer there is no room.
    """

    def __init__(
        self,
        scope: dict[str, Any],
        send: Callable[[Message], Awaitable[None]],
        limits: AnswerLimits,
        renderer_for: Callable[[str], Callable[[Exception], ErrorResponse]],
    ) -> None:
        self.status = 0
        self.sent_bytes = 0
        self._scope = scope
        self._send_now = send
        self._limits = limits
        self._renderer_for = renderer_for
        self._start: Message | None = None
        self._seconds_left = limits.seconds
        self._is_gone = False

    async def send(self, message: Message) -> None:
        """Send a message, the first one together with the second; raise `ClientGone`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._start = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None and not more and len(body) <= PIECE_BYTES:
            start, self._start = self._start, None
            await self._send_now(start)
            await self._send_now(message)
            self.sent_bytes += len(body)
            return
        if more or len(body) <= PIECE_BYTES:
            await self._send_pieces(body, more=more)
            return
        network = client_network(self._scope, self._limits.proxies)
        if not self._limits.take(network, len(body)):
            await self._send_pieces(self._refuse(), more=False)
            return
        try:
            await self._send_pieces(body, more=False)
        finally:
            self._limits.give_back(network, len(body))

    async def flush(self) -> None:
        """Send the beginning of an answer that has no body."""
        if self._start is not None:
            start, self._start = self._start, None
            await self._send_now(start)

    def discard(self) -> None:
        """Forget the beginning of an answer that was not sent."""
        self._start = None
        self.status = 0

    @property
    def has_begun(self) -> bool:
        """Whether the client may have received a part of the answer."""
        return bool(self.status) and self._start is None

    def release(self) -> None:
        """Release the connection, because nothing more is sent."""
        self._send_now = _drop

    def _refuse(self) -> bytes:
        """Turn the beginning into that of an error; return its body."""
        assert self._start is not None
        response = self._renderer_for(self._scope["path"])(ServerBusy())
        body = encode_json(response.body)
        kept = [(name, value) for name, value in self._start["headers"] if name not in _OF_A_BODY]
        own = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
        kept += [*own, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self._start |= {"status": response.status, "headers": kept}
        self.status = response.status
        return body

    async def _send_pieces(self, body: bytes, *, more: bool) -> None:
        await self.flush()
        if len(body) <= PIECE_BYTES:
            await self._send_in_time({"type": "http.response.body", "body": body, "more_body": more})
            return
        for offset in range(0, len(body), PIECE_BYTES):
            piece = body[offset : offset + PIECE_BYTES]
            is_last = not more and offset + PIECE_BYTES >= len(body)
            await self._send_in_time({"type": "http.response.body", "body": piece, "more_body": not is_last})

    async def _send_in_time(self, message: Message) -> None:
        """Send a piece; only the time in which the client keeps the server waiting counts."""
        if self._is_gone:
            raise ClientGone
        started = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, self._seconds_left)):
                await self._send_now(message)
        except TimeoutError:
            self._is_gone = True
            self._abort()
            raise ClientGone from None
        self.sent_bytes += len(message["body"])
        self._seconds_left += len(message["body"]) / BYTES_A_SECOND - (time.monotonic() - started)

    def _abort(self) -> None:
        """Reset the connection, because granian would keep what it has until the client reads it."""
        server, client = self._scope.get("server"), self._scope.get("client")
        if server and client:
            sockets.abort_client(server[1], client[0], client[1])


async def _drop(_: Message) -> None:
    return None
