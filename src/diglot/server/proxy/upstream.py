"""Forwards requests to upstreams: streams them, never retries, and aborts a response that breaks off."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from diglot.api.dialect import Surface
from diglot.api.responses import EXTRA_HEADERS, encode_json
from diglot.dialects.registry import find_surface
from diglot.errors import MalformedRequest, RequestTimeout, ServerBusy, UpstreamUnreachable
from diglot.request_record import record_of
from diglot.server import asgi
from diglot.server.asgi import App, Receive, Scope, Send
from diglot.server.guards.bounded_log import BoundedLog
from diglot.server.guards.client_gone import ClientGone
from diglot.server.guards.connections import BYTES_A_SECOND
from diglot.server.guards.headers import FORWARDED
from diglot.server.guards.networks import client_network
from diglot.server.observability.figures import name_forwarded
from diglot.server.proxy import headers
from diglot.server.proxy.downstream import Downstream
from diglot.server.proxy.exchange_limits import MAX_EXCHANGES, ExchangeLimits
from diglot.server.proxy.own_paths import OwnPaths, may_forward

log = logging.getLogger("diglot")
# Many servers close idle connections after 5 seconds; ours are closed before, so that no request is lost.
_POOL_LIMITS: Final = httpx.Limits(
    max_connections=MAX_EXCHANGES, max_keepalive_connections=32, keepalive_expiry=4.0
)
# CONNECT requests a tunnel and TRACE an echo of the request; neither is part of a vendor's API.
_REFUSED_METHODS: Final = ("CONNECT", "TRACE")


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """What the operator configures.

    An upstream may send nothing for `silence_seconds`. A whole exchange has `exchange_seconds`, and one more
    for each 32 KiB that passes. `trusted_proxies` is the number of reverse proxies before the server.
    """

    silence_seconds: float
    exchange_seconds: float = 300
    trusted_proxies: int = 0


class UpstreamProxy:
    """Forwards requests that Diglot does not serve to the upstream of their dialect, if one is configured."""

    def __init__(self, upstreams: Mapping[str, str], owned: OwnPaths, options: ProxyOptions) -> None:
        self._upstreams = {name: httpx.URL(url) for name, url in upstreams.items() if url}
        self._own_paths = owned
        self._options = options
        self._limits = ExchangeLimits()
        self._failures = BoundedLog(log)
        self._transport: httpx.AsyncHTTPTransport | None = None
        # Names this process in Via, to detect a request that comes back.
        self._pseudonym: Final = b"diglot-" + secrets.token_hex(8).encode()

    @asynccontextmanager
    async def open_connections(self) -> AsyncIterator[None]:
        """Keep connections to the upstreams open.

        This uses only the transport of httpx. Its client would keep cookies, follow redirects, decode
        responses and read proxies and passwords from the environment.
        """
        async with httpx.AsyncHTTPTransport(limits=_POOL_LIMITS) as self._transport:
            yield

    def handler_for(self, scope: Scope) -> App | None:
        """Return the app that forwards a request, or None if it is not to be forwarded."""
        dialect_and_surface = find_surface(scope["path"]) if self._upstreams else None
        if dialect_and_surface is None or scope["method"] in _REFUSED_METHODS:
            return None
        dialect, surface = dialect_and_surface
        upstream = self._upstreams.get(dialect.name)
        raw: bytes = scope.get("raw_path") or b""
        # The prefix must be spelled exactly as documented, because clients were given no other.
        if (
            upstream is None
            or not surface.contains(raw.decode("latin-1"))
            or not may_forward(raw, self._own_paths)
        ):
            return None
        assert self._transport is not None, "the lifespan opens it"
        network = client_network(scope, self._options.trusted_proxies)
        exchange = _Exchange(
            self._transport, upstream, surface, self._pseudonym, self._options, self._failures
        )
        return _LimitedExchange(exchange, self._limits, network, dialect.name)


@dataclass(frozen=True, slots=True)
class _LimitedExchange:
    """An exchange that waits until its client's network may have one more: an ASGI app."""

    exchange: "_Exchange"
    limits: ExchangeLimits
    network: str
    dialect: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer that the server is busy."""
        record_of(scope).operation = name_forwarded(self.dialect)
        try:
            async with self.limits.take(self.network):
                await self.exchange(scope, receive, send)
        except ServerBusy as error:
            await self.exchange.send_error(error, send)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One forwarded request: an ASGI app."""

    transport: httpx.AsyncHTTPTransport
    upstream: httpx.URL
    surface: Surface
    pseudonym: bytes
    options: ProxyOptions
    failures: BoundedLog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, as long as the client waits for the response."""
        client = Downstream(receive, send, self.options.silence_seconds)
        exchange = asyncio.create_task(self._forward_request(scope, client))
        leaving = asyncio.create_task(client.wait_until_gone())
        error: Exception | None = None
        try:
            async with asyncio.timeout(self.options.exchange_seconds) as whole:
                client.on_passed = lambda size: _extend(whole, size)
                await asyncio.wait((exchange, leaving), return_when=asyncio.FIRST_COMPLETED)
                error = exchange.result() if exchange.done() else None
        except TimeoutError:
            error = self._log_failure(scope, "the exchange takes too long", timed_out=True)
        finally:
            await _cancel_and_wait(exchange, leaving)
        if error is not None and not client.has_response:
            await self.send_error(error, send)

    async def _forward_request(self, scope: Scope, client: Downstream) -> Exception | None:
        """Forward request and response; return the error if no response was started."""
        if headers.already_passed(scope, self.pseudonym):
            return self._log_failure(scope, "forwarding loop")
        try:
            response = await self.transport.handle_async_request(await self._build_request(scope, client))
        except ClientGone:
            return None
        except RequestTimeout as error:
            return error
        except httpx.LocalProtocolError as error:
            return MalformedRequest(f"The request cannot be forwarded: {error}")
        except httpx.TransportError as error:
            return self._log_failure(scope, repr(error), timed_out=isinstance(error, httpx.TimeoutException))
        if response.status_code < 200:
            await response.aclose()
            return self._log_failure(scope, f"unexpected status {response.status_code}")
        await self._stream_response(scope, client, response)
        return None

    async def _build_request(self, scope: Scope, client: Downstream) -> httpx.Request:
        target = self.upstream.raw_path.rstrip(b"/") + scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        framing = headers.select_framing(scope)
        if not framing and await client.has_body():
            framing = headers.CHUNKED
        return httpx.Request(
            scope["method"],
            self.upstream,
            headers=headers.to_upstream(scope, self.upstream.netloc, self.pseudonym) + framing,
            stream=client if framing else httpx.ByteStream(b""),
            extensions={
                # The raw path, because httpx would normalize a URL.
                "target": target,
                "timeout": dict.fromkeys(("connect", "read", "write", "pool"), self.options.silence_seconds),
            },
        )

    async def _stream_response(self, scope: Scope, client: Downstream, response: httpx.Response) -> None:
        try:
            try:
                _adopt_request_id(scope, response.headers.raw)
                scope[FORWARDED] = True
                await client.start_response(response.status_code, headers.to_client(response.headers.raw))
                assert isinstance(response.stream, httpx.AsyncByteStream)
                async for chunk in response.stream:
                    await client.send_chunk(chunk)
            finally:
                await response.aclose()
            await client.end_response()
        except ClientGone:
            return
        except httpx.TransportError as error:
            self._log_failure(scope, f"{error!r} while streaming the response")

    def _log_failure(self, scope: Scope, reason: str, *, timed_out: bool = False) -> UpstreamUnreachable:
        host = self.upstream.host
        self.failures.record(host, f"request {scope['diglot.request_id']}: upstream {host}: {reason}")
        return UpstreamUnreachable(timed_out=timed_out)

    async def send_error(self, error: Exception, send: Send) -> None:
        """Answer with an error in the dialect."""
        response = self.surface.render_error(error)
        own = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
        await asgi.send_response(
            send, response.status, encode_json(response.body), [*own, (b"content-type", b"application/json")]
        )


def _adopt_request_id(scope: Scope, received: headers.Headers) -> None:
    """Use the upstream's request id, so that its operators can find the request."""
    request_id = asgi.request_id_of((name.lower(), value) for name, value in received)
    if request_id is not None:
        scope["diglot.request_id"] = record_of(scope).id = request_id.decode()
        scope[EXTRA_HEADERS][:] = [(b"x-request-id", request_id)]


def _extend(whole: asyncio.Timeout, size: int) -> None:
    """Give an exchange more time, because bytes of it have passed."""
    until = whole.when()
    if until is not None and not whole.expired():
        whole.reschedule(until + size / BYTES_A_SECOND)


async def _cancel_and_wait(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
