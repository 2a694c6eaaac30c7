"""The client's side of a call that passes through: its body going out, its answer coming back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

from diglot.errors import TooSlow
from diglot.server.asgi import Message, Receive, Send


class Gone(Exception):
    """The client left, or reads no more."""


class Client(httpx.AsyncByteStream):
    """A client: an iteration reads its body. None may stall for longer than `seconds`."""

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._waits = asyncio.Event()
        self._ahead = b""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece of the body; raise `Gone` or `TooSlow`."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        while not self._waits.is_set():
            try:
                async with asyncio.timeout(self._seconds):
                    message = await self._receive()
            except TimeoutError:
                raise TooSlow from None
            if message["type"] == "http.disconnect":
                raise Gone
            if not message.get("more_body", False):
                self._waits.set()
            if message.get("body", b""):
                return bytes(message["body"])
        raise StopAsyncIteration

    async def left(self) -> None:
        """Return once the client has left; look for it when its body is no longer read.

        A client that does not send the rest of its body in time counts as one that has left.
        """
        await self._waits.wait()
        with suppress(TooSlow):
            while (await self._receive())["type"] != "http.disconnect":
                continue

    async def has_body(self) -> bool:
        """Tell whether there is a body where no header says so: read a piece ahead."""
        try:
            self._ahead = await anext(self)
        except StopAsyncIteration:
            return False
        return True

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the head of an answer, at once: an empty piece makes the server let go of it."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self.piece(b"")
        self._waits.set()

    async def piece(self, body: bytes) -> None:
        """Send a piece of the answer; raise `Gone`."""
        await self._in_time({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """End the answer; one that is not ended the server breaks off, so that no part passes for all."""
        await self._in_time({"type": "http.response.body", "body": b"", "more_body": False})

    async def _in_time(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            raise Gone from None
