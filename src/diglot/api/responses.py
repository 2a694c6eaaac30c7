"""Answers as bytes: what goes out once a handler or an error table has spoken."""

from dataclasses import dataclass
from typing import Final

import msgspec
from litestar.types import Receive, Scope, Send

HEADER: Final = "Diglot-As-Of"


Headers = tuple[tuple[bytes, bytes], ...]
# Where a request's scope collects headers that its answer carries whatever becomes of it.
EXTRA_HEADERS: Final = "diglot.headers"
encode: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Answer:
    """An error in a dialect's own envelope."""

    status: int
    body: msgspec.Struct
    headers: dict[str, str]


class Encoded:
    """An answer as bytes: an ASGI app that sends them as JSON."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        del scope, receive
        length = (b"content-length", b"%d" % len(self.body))
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [_JSON, length, *self.headers],
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
