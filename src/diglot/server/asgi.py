"""The outermost ASGI app: request ids, HEAD, OPTIONS, NUL in paths, unread bodies, access log, own pages.

These are not Litestar middleware, because Litestar does not run middleware for routing errors.
"""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from diglot.api.authentication import SECURE
from diglot.api.responses import ANSWER_ROOM, EXTRA_HEADERS, ErrorResponse, JsonResponse
from diglot.errors import MalformedRequest
from diglot.request_record import record_of
from diglot.server.console.errors import render_error
from diglot.server.direct_calls import DirectCalls, render
from diglot.server.guards.answers import PIECE_BYTES, SEND_SECONDS, Answer, AnswerLimits
from diglot.server.guards.client_gone import ClientGone
from diglot.server.guards.headers import PLAIN_SAFETY, add_safety
from diglot.server.guards.networks import is_https
from diglot.server.guards.redaction import holds_key
from diglot.server.guards.unread_body import BODY_SECONDS, UnreadBody, disconnected, has_body
from diglot.server.observability.figures import name_own_page
from diglot.server.observability.watch import RequestWatch

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("diglot")
_REQUEST_ID: Final = b"x-request-id"
_ID_BYTES: Final = 16
_IDS_DRAWN: Final = 256
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
HEALTH_PATH: Final = "/health"
READY_PATH: Final = "/ready"
METRICS_PATH: Final = "/metrics"
_CLOSE: Final = (b"connection", b"close")


class PlainResponse(msgspec.Struct, frozen=True):
    """A page for the operator, which belongs to no dialect."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator configures.

    `body_seconds` is how long a client may keep the server waiting for a body, in addition to the time that
    the size of the body allows; `send_seconds` is the same for an answer. `trusted_proxies` is the number of
    reverse proxies, `secure_cookies` says that all clients use https. `renderer_for` returns what renders the
    errors of a path. `watch` is what shows requests to the operator. `calls` are answered without the app.
    """

    body_seconds: float = BODY_SECONDS
    send_seconds: float = SEND_SECONDS
    trusted_proxies: int = 0
    secure_cookies: bool = False
    renderer_for: Callable[[str], Callable[[Exception], ErrorResponse]] = lambda path: render_error
    watch: RequestWatch = field(default_factory=RequestWatch)
    calls: DirectCalls = field(default_factory=lambda: DirectCalls((), None, lambda path: render_error))


_DEFAULTS: Final = Options()
_NO_SPAN: Final[AbstractContextManager[object]] = nullcontext()


class ServerApp:
    """Wraps the Litestar app.

    `allowed_methods` returns the methods of a path, None if it does not exist. `operator_pages` maps a path
    to the function that renders its page. `proxy_for` returns the app that answers a request instead of the
    wrapped app, or None.
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
        self._renderer_for = options.renderer_for
        self._body_seconds = options.body_seconds
        self._answers = AnswerLimits(options.send_seconds, options.trusted_proxies)
        self._secure = options.secure_cookies
        self._watch = options.watch
        self._calls = options.calls
        self._request_ids = _iterate_request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._handle_non_http(scope, receive, send)
            return
        headers = dict(scope["headers"])
        extra = self._prepare(scope, headers)
        record = self._watch.begin(scope, scope["diglot.request_id"])
        try:
            responder = self._calls.find(scope, headers) if self._is_simple(headers) else None
            if responder is None:
                await self._serve(self._dispatch, scope, receive, send)
                return
            response = await self._calls.respond(responder, scope, receive)
            if isinstance(response, JsonResponse) and len(response.body) <= PIECE_BYTES:
                record.status, record.sent_bytes = response.status, len(response.body)
                await response.send_with(send, [*extra, *PLAIN_SAFETY])
            else:
                await self._serve(cast("App", response), scope, receive, send)
        finally:
            # granian closes the connection of an unread body only when nothing refers to the request any
            # more. After an error the frames that do would live until the garbage collector runs.
            receive, send = disconnected, _dropped
            self._watch.end(scope, record)

    def _is_simple(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request has no body to watch, no session that needs headers, and no span."""
        return not has_body(headers) and b"cookie" not in headers and not self._watch.is_tracing

    async def _serve(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by an app, with all that guards the body and the answer."""
        record, headers = record_of(scope), dict(scope["headers"])
        body = UnreadBody(receive, self._body_seconds, headers) if has_body(headers) else None
        answer = Answer(scope, send, self._answers, self._renderer_for)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                closing = () if body is None or await body.drain() else (_CLOSE,)
                headers = [*message["headers"], *scope[EXTRA_HEADERS], *closing]
                message["headers"] = add_safety(scope, headers)
            try:
                await answer.send(message)
            finally:
                record.status, record.sent_bytes = answer.status, answer.sent_bytes

        try:
            with self._watch.span(scope, record) or _NO_SPAN:
                await self._answer(app, scope, receive if body is None else body.receive, sending, answer)
                await self._finish(scope, sending, answer, body)
        finally:
            receive, send = disconnected, _dropped
            answer.release()
            if body is not None:
                body.release()

    def _prepare(self, scope: Scope, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Put what the app needs into a scope; return the headers that every answer to it has."""
        request_id = _valid_request_id(headers.get(_REQUEST_ID)) or next(self._request_ids)
        scope["diglot.request_id"] = request_id.decode()
        scope[SECURE] = self._secure or is_https(scope, self._answers.proxies)
        scope[EXTRA_HEADERS] = extra = [(_REQUEST_ID, request_id)]
        scope[ANSWER_ROOM] = self._answers
        return extra

    async def _answer(self, app: App, scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
        """Run an app; a bug is a 500 in the dialect, if nothing was sent yet."""
        try:
            await app(scope, receive, send)
        except ClientGone:
            return
        except Exception as error:
            log.exception("request %s failed", scope["diglot.request_id"])
            if not answer.has_begun:
                answer.discard()
                await self._send_error(scope, send, error)

    async def _finish(self, scope: Scope, send: Send, answer: Answer, body: UnreadBody | None) -> None:
        """Send what is left of an answer, or the error of a body that ends too early."""
        if not answer.status and body is not None and body.is_broken:
            await self._send_error(scope, send, MalformedRequest("The body ends before its end"))
        await answer.flush()

    async def _send_error(self, scope: Scope, send: Send, error: Exception) -> None:
        await render(self._renderer_for(scope["path"]), error).send_with(send)

    async def _handle_non_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._app(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if "\x00" in path:
            # No id or route contains NUL, and databases reject it.
            scope = {**scope, "path": path.replace("\x00", "\ufffd"), "raw_path": b""}
        if path in self._operator_pages and method in ("GET", "HEAD"):
            record_of(scope).operation = name_own_page(path.removeprefix("/"))
            page = await self._operator_pages[path]()
            responding = send if method == "GET" else _drop_body(send)
            await send_response(
                responding, page.status, page.body, [(b"content-type", page.media_type.encode())]
            )
        elif (proxy := self._proxy_for(scope)) is not None:
            await proxy(scope, receive, send)
        elif method == "OPTIONS" and (allowed := self._allowed_methods(path)) is not None:
            await send_response(send, 204, b"", [(b"allow", ", ".join(allowed).encode())])
        elif method == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _drop_body(send))
        elif (responder := self._calls.find(scope, dict(scope["headers"]))) is not None:
            response = await self._calls.respond(responder, scope, receive)
            await cast("App", response)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _iterate_request_ids() -> Iterator[bytes]:
    """Yield random ids: bytes are drawn together, because each draw is a system call.

    The first draw is at the first request, so processes that were forked do not share it.
    """
    while True:
        drawn = secrets.token_hex(_ID_BYTES * _IDS_DRAWN).encode()
        for start in range(0, len(drawn), 2 * _ID_BYTES):
            yield drawn[start : start + 2 * _ID_BYTES]


async def _dropped(_: Message) -> None:
    return None


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the request id in the headers if it is valid and no API key, else None."""
    return _valid_request_id(dict(headers).get(_REQUEST_ID))


def _valid_request_id(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    return value if _VALID_REQUEST_ID.fullmatch(value) and not holds_key(value.decode()) else None


def _drop_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


async def send_response(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a complete response."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
