"""Encoded responses, built from the result of a handler or from an error."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.types import Receive, Scope, Send

AS_OF_HEADER: Final = "Diglot-As-Of"


Headers = tuple[tuple[bytes, bytes], ...]
# The key in a request's scope for headers that its response carries, whether it succeeds or fails.
EXTRA_HEADERS: Final = "diglot.headers"
encode_json: Final = msgspec.json.Encoder().encode
_JSON_CONTENT_TYPE: Final = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response in a dialect's error body."""

    status: int
    body: msgspec.Struct
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class StreamedList:
    """A response whose first property is a long list.

    `response` has the first items, `rest` yields the others in windows.
    """

    response: msgspec.Struct
    rest: AsyncIterator[Sequence[Any]]


class JsonResponse:
    """An ASGI app that sends an encoded JSON response."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        del scope, receive
        length = (b"content-length", b"%d" % len(self.body))
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [_JSON_CONTENT_TYPE, length, *self.headers],
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class StreamedResponse:
    """An ASGI app that sends an encoded response in chunks, each when the client has taken the one before.

    If reading a window fails, the response has no end and its connection closes, so the client sees that
    it is incomplete.
    """

    def __init__(self, status: int, streamed: StreamedList) -> None:
        self._status = status
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; stop when the client has left."""
        del scope
        headers = [_JSON_CONTENT_TYPE]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        client_left = asyncio.ensure_future(_wait_until_disconnected(receive))
        try:
            async for chunk in self._iterate_chunks():
                if client_left.done():
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            client_left.cancel()

    async def _iterate_chunks(self) -> AsyncIterator[bytes]:
        before, list_end, after = encode_json(self._streamed.response).partition(b"]")
        yield before
        async for window in self._streamed.rest:
            yield b"," + encode_json(window)[1:-1]
        yield list_end + after


async def _wait_until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
