"""Encoded responses, built from the result of a handler or from an error."""

from dataclasses import dataclass
from typing import Final

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
