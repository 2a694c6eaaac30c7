"""The outer ASGI wrapper: request ids, HEAD, OPTIONS, NUL in paths, unread bodies, access log, own pages.

Litestar's own middleware does not run for routing errors; this does.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from diglot.api.responses import EXTRA_HEADERS
from diglot.errors import TooSlow

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

access = logging.getLogger("diglot.access")
_REQUEST_ID: Final = b"x-request-id"
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
HEALTH: Final = "/health"
METRICS: Final = "/metrics"
# A client reads its answer only after its body has gone out: what no call reads is read here, to this limit.
MOST_UNREAD: Final = 64 * 1024 * 1024
UNREAD_SECONDS: Final = 30
# A shorter body fits the buffers of the connection, and no answer to it is lost.
_SHORT: Final = 65_536
# The time that a client has for a body grows by a second with each so many bytes that arrive, because an
# import of 32 MiB over a slow line is no attack.
BYTES_A_SECOND: Final = 32_768
BODY_SECONDS: Final = 30
_CLOSE: Final = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the server itself, for its operator."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator sets.

    `body_seconds` is how long a client may keep the server waiting for a body, beside the time that the size
    of the body gives.
    """

    access_log: bool = False
    body_seconds: float = BODY_SECONDS


_DEFAULTS: Final = Options()


class Outer:
    """Wraps the app. `allowed` tells the methods of a path, or None for a path that does not exist.

    `own` makes the pages of the server itself, by path; `elsewhere` returns the app that answers a request
    instead of the wrapped one, if any.
    """

    def __init__(
        self,
        app: App,
        allowed: Callable[[str], tuple[str, ...] | None],
        own: Mapping[str, Callable[[], Awaitable[Page]]],
        *,
        elsewhere: Callable[[Scope], App | None] = lambda scope: None,
        options: Options = _DEFAULTS,
    ) -> None:
        self._app = app
        self._allowed = allowed
        self._own = own
        self._elsewhere = elsewhere
        self._access_log = options.access_log
        self._body_seconds = options.body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        request_id = known_as(scope["headers"]) or secrets.token_hex(16).encode()
        scope["diglot.request_id"] = request_id.decode()
        scope[EXTRA_HEADERS] = extra = [(_REQUEST_ID, request_id)]
        started = time.perf_counter()
        status = 0
        body = _Body(receive, self._body_seconds, headers) if _has_body(headers) else None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                closing = () if body is None or await body.finish() else (_CLOSE,)
                message["headers"] = [*message["headers"], *extra, *closing]
            await send(message)

        try:
            await self._answer(scope, receive if body is None else body.receive, sending)
        finally:
            # The server closes the connection of an unread body only when nothing refers to the request any
            # more, and an error keeps the frames that do until the collector runs.
            receive, send = _disconnected, _dropped
            if body is not None:
                body.release()
        if self._access_log:
            _log(scope, status, time.perf_counter() - started)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if "\x00" in path:
            # No database takes it, and no id or route has it.
            scope = {**scope, "path": path.replace("\x00", "\ufffd"), "raw_path": b""}
        if path in self._own and method in ("GET", "HEAD"):
            page = await self._own[path]()
            answering = send if method == "GET" else _without_body(send)
            await plain(answering, page.status, page.body, [(b"content-type", page.media_type.encode())])
        elif (other := self._elsewhere(scope)) is not None:
            await other(scope, receive, send)
        elif method == "OPTIONS" and (allowed := self._allowed(path)) is not None:
            await plain(send, 204, b"", [(b"allow", ", ".join(allowed).encode())])
        elif method == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)


class _Body:
    """A body on its way, of which an answer may come before its end.

    One deadline holds for the whole body. Only the time in which the server waits for the client counts,
    because a client is not to blame for a busy server.
    """

    def __init__(self, receive: Receive, seconds: float, headers: Mapping[bytes, bytes]) -> None:
        self._receive = receive
        self._left = seconds
        self._reads_rest = _may_stay_unread(headers)
        self._ended = False
        self._late = False

    async def receive(self) -> Message:
        """Return the next piece; raise `TooSlow` when the time for the body is over."""
        if self._ended:
            return await self._receive()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError:
            self._late = True
            raise TooSlow from None
        self._left += len(message.get("body", b"")) / BYTES_A_SECOND - (time.monotonic() - started)
        self._ended = not message.get("more_body", False)
        return message

    async def finish(self) -> bool:
        """Read the rest of a long body and forget it; tell whether the connection may serve another request.

        A connection that closes with bytes unread loses the answer, too. The server itself reads the rest of
        a short body, because that is in its buffers.
        """
        if self._late or not self._reads_rest:
            return not self._late
        size = 0
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                while not self._ended and size < MOST_UNREAD:
                    size += len((await self.receive()).get("body", b""))
        except (TimeoutError, TooSlow):
            return False
        return self._ended

    def release(self) -> None:
        """Let go of the connection: nothing more comes from it."""
        self._receive = _disconnected


async def _disconnected() -> Message:
    return {"type": "http.disconnect"}


async def _dropped(_: Message) -> None:
    return None


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _may_stay_unread(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the body is long, or of unknown length; who announces too much is answered at once."""
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > len(str(MOST_UNREAD)):
        return b"transfer-encoding" in headers
    return _SHORT < int(length) <= MOST_UNREAD


def known_as(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the sane id that headers give a request, or None."""
    given = dict(headers).get(_REQUEST_ID, b"")
    return given if _GIVEN_ID.fullmatch(given) else None


def _log(scope: Scope, status: int, seconds: float) -> None:
    path, request_id = _printable(scope["path"]), scope["diglot.request_id"]
    access.info("%s %s %s %.1f ms %s", scope["method"], path, status, seconds * 1000, request_id)


def _printable(path: str) -> str:
    return path.encode("unicode_escape").decode()


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


async def plain(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send an answer that is at hand."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
