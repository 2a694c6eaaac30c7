"""The body of a request, which may be answered before its end: one deadline, and what is left is read."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from diglot.errors import RequestTimeout

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
# Many clients read the response only after they have sent the body, so a body that no call reads is read
# here, up to this limit.
MAX_UNREAD_BYTES: Final = 64 * 1024 * 1024
UNREAD_SECONDS: Final = 30
# A shorter body fits the buffers of the connection, so the client always gets the response.
_SMALL_BODY_BYTES: Final = 65_536
# The time for a body grows by one second for this many bytes that arrive, because an import of 32 MiB over a
# slow connection is no attack.
BYTES_A_SECOND: Final = 32_768
BODY_SECONDS: Final = 30


class UnreadBody:
    """The body of a request, which may be answered before its end.

    One deadline holds for the whole body. Only the time in which the server waits for the client counts,
    because a busy server is not the client's fault. `is_broken` says that it ended early: the client left, or
    sent what is no HTTP.
    """

    def __init__(self, receive: Receive, seconds: float, headers: Mapping[bytes, bytes]) -> None:
        self._receive = receive
        self._left = seconds
        self._reads_rest = _needs_draining(headers)
        self._ended = False
        self._late = False
        self.is_broken = False

    async def receive(self) -> Message:
        """Return the next message of the body; raise `RequestTimeout` after the deadline."""
        if self._ended:
            return await self._receive()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError:
            self._late = True
            raise RequestTimeout from None
        self._left += len(message.get("body", b"")) / BYTES_A_SECOND - (time.monotonic() - started)
        self._ended = not message.get("more_body", False)
        self.is_broken = message["type"] == "http.disconnect"
        return message

    async def drain(self) -> bool:
        """Read and discard the rest of a long body; return whether the connection can be reused.

        If a connection closes with unread bytes, the client loses the response too. granian itself reads the
        rest of a short body, because that is in its buffers.
        """
        if self._late or not self._reads_rest:
            return not self._late
        size = 0
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                while not self._ended and size < MAX_UNREAD_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except (TimeoutError, RequestTimeout):
            return False
        return self._ended

    def release(self) -> None:
        """Release the connection, because nothing more is read from it."""
        self._receive = disconnected


async def disconnected() -> Message:
    """Receive nothing more, because the connection is released."""
    return {"type": "http.disconnect"}


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the headers of a request announce a body."""
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _needs_draining(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a body is long or of unknown length; a body above the limit is not read."""
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > len(str(MAX_UNREAD_BYTES)):
        return b"transfer-encoding" in headers
    return _SMALL_BODY_BYTES < int(length) <= MAX_UNREAD_BYTES
