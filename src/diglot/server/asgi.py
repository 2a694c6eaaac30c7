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
from diglot.errors import RequestTimeout

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

access_logger = logging.getLogger("diglot.access")
_REQUEST_ID: Final = b"x-request-id"
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
HEALTH_PATH: Final = "/health"
METRICS_PATH: Final = "/metrics"
# A client reads its answer only after its body has gone out: what no call reads is read here, to this limit.
MAX_UNREAD_BYTES: Final = 64 * 1024 * 1024
UNREAD_SECONDS: Final = 30
# A shorter body fits the buffers of the connection, and no answer to it is lost.
_SMALL_BODY_BYTES: Final = 65_536
# The time that a client has for a body grows by a second with each so many bytes that arrive, because an
# import of 32 MiB over a slow line is no attack.
BYTES_A_SECOND: Final = 32_768
BODY_SECONDS: Final = 30
_CLOSE: Final = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class PlainResponse:
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


class ServerApp:
    """Wraps the app. `allowed` tells the methods of a path, or None for a path that does not exist.

    `own` makes the pages of the server itself, by path; `elsewhere` returns the app that answers a request
    instead of the wrapped one, if any.
    """

    def __init__(
        self,
        app: App,
        allowed_methods: Callable[[str], tuple[str, ...] | None],
        operator_pages: Mapping[str, Callable[[], Awaitable[PlainResponse]]],
        *,
        proxy_for: Callable[[Scope], App | None] = lambda scope: None,
        options: Options = _DEFAULTS,
    ) -> None:
        self._app = app
        self._allowed_methods = allowed_methods
        self._operator_pages = operator_pages
        self._proxy_for = proxy_for
        self._access_log = options.access_log
        self._body_seconds = options.body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._handle_non_http(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        request_id = request_id_of(scope["headers"]) or secrets.token_hex(16).encode()
        scope["diglot.request_id"] = request_id.decode()
        scope[EXTRA_HEADERS] = extra = [(_REQUEST_ID, request_id)]
        started = time.perf_counter()
        status = 0
        body = _UnreadBody(receive, self._body_seconds, headers) if _has_body(headers) else None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                closing = () if body is None or await body.drain() else (_CLOSE,)
                message["headers"] = [*message["headers"], *extra, *closing]
            await send(message)

        try:
            await self._dispatch(scope, receive if body is None else body.receive, sending)
        finally:
            # The server closes the connection of an unread body only when nothing refers to the request any
            # more, and an error keeps the frames that do until the collector runs.
            receive, send = _disconnected, _dropped
            if body is not None:
                body.release()
        if self._access_log:
            _log(scope, status, time.perf_counter() - started)

    async def _handle_non_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._app(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if "\x00" in path:
            # No database takes it, and no id or route has it.
            scope = {**scope, "path": path.replace("\x00", "\ufffd"), "raw_path": b""}
        if path in self._operator_pages and method in ("GET", "HEAD"):
            page = await self._operator_pages[path]()
            answering = send if method == "GET" else _drop_body(send)
            await send_response(
                answering, page.status, page.body, [(b"content-type", page.media_type.encode())]
            )
        elif (other := self._proxy_for(scope)) is not None:
            await other(scope, receive, send)
        elif method == "OPTIONS" and (allowed := self._allowed_methods(path)) is not None:
            await send_response(send, 204, b"", [(b"allow", ", ".join(allowed).encode())])
        elif method == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _drop_body(send))
        else:
            await self._app(scope, receive, send)


class _UnreadBody:
    """A body on its way, of which an answer may come before its end.

    One deadline holds for the whole body. Only the time in which the server waits for the client counts,
    because a client is not to blame for a busy server.
    """

    def __init__(self, receive: Receive, seconds: float, headers: Mapping[bytes, bytes]) -> None:
        self._receive = receive
        self._left = seconds
        self._reads_rest = _needs_draining(headers)
        self._ended = False
        self._late = False

    async def receive(self) -> Message:
        """Return the next piece; raise `RequestTimeout` when the time for the body is over."""
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
        return message

    async def drain(self) -> bool:
        """Read the rest of a long body and forget it; tell whether the connection may serve another request.

        A connection that closes with bytes unread loses the answer, too. The server itself reads the rest of
        a short body, because that is in its buffers.
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
        """Let go of the connection: nothing more comes from it."""
        self._receive = _disconnected


async def _disconnected() -> Message:
    return {"type": "http.disconnect"}


async def _dropped(_: Message) -> None:
    return None


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _needs_draining(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the body is long, or of unknown length; who announces too much is answered at once."""
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > len(str(MAX_UNREAD_BYTES)):
        return b"transfer-encoding" in headers
    return _SMALL_BODY_BYTES < int(length) <= MAX_UNREAD_BYTES


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the sane id that headers give a request, or None."""
    given = dict(headers).get(_REQUEST_ID, b"")
    return given if _VALID_REQUEST_ID.fullmatch(given) else None


def _log(scope: Scope, status: int, seconds: float) -> None:
    path, request_id = _escape_path(scope["path"]), scope["diglot.request_id"]
    access_logger.info("%s %s %s %.1f ms %s", scope["method"], path, status, seconds * 1000, request_id)


def _escape_path(path: str) -> str:
    return path.encode("unicode_escape").decode()


def _drop_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


async def send_response(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send an answer that is at hand."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
