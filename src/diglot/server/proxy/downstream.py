"""The client's side of a forwarded request: reads its body and sends the response."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx

from diglot.errors import RequestTimeout
from diglot.server.asgi import Message, Receive, Send
from diglot.server.guards.client_gone import ClientGone


class Downstream(httpx.AsyncByteStream):
    """A client. Iterating reads its body; neither side may stall for longer than `seconds`.

    `on_passed` is called with the number of bytes that passed, in either direction.
    """

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._stall_seconds = seconds
        self._reading_ended = asyncio.Event()
        self._read_ahead = b""
        self.on_passed: Callable[[int], None] = lambda size: None
        self.has_response = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk of the body; raise `ClientGone` or `RequestTimeout`."""
        if self._read_ahead:
            chunk, self._read_ahead = self._read_ahead, b""
            return chunk
        while not self._reading_ended.is_set():
            try:
                async with asyncio.timeout(self._stall_seconds):
                    message = await self._receive()
            except TimeoutError:
                raise RequestTimeout from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            if not message.get("more_body", False):
                self._reading_ended.set()
            if body := message.get("body", b""):
                self.on_passed(len(body))
                return bytes(body)
        raise StopAsyncIteration

    async def wait_until_gone(self) -> None:
        """Return when the client has left; it is watched once its body is no longer read.

        A client that does not send the rest of its body in time counts as gone.
        """
        await self._reading_ended.wait()
        with suppress(RequestTimeout):
            while (await self._receive())["type"] != "http.disconnect":
                continue

    async def has_body(self) -> bool:
        """Tell whether a request without framing headers has a body, by reading one chunk ahead."""
        try:
            self._read_ahead = await anext(self)
        except StopAsyncIteration:
            return False
        return True

    async def start_response(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the response head immediately: granian sends it only with a first chunk, here an empty one."""
        self.has_response = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send_chunk(b"")
        self._reading_ended.set()

    async def send_chunk(self, body: bytes) -> None:
        """Send a chunk of the response; raise `ClientGone`."""
        await self._send_in_time({"type": "http.response.body", "body": body, "more_body": True})
        self.on_passed(len(body))

    async def end_response(self) -> None:
        """End the response.

        Without this the server aborts it, so that no client takes a part for the whole.
        """
        await self._send_in_time({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_in_time(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._send(message)
        except TimeoutError:
            raise ClientGone from None
