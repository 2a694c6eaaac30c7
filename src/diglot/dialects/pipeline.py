"""The one way of a request through a dialect: key, scope, handler, bytes.

Litestar routes; what follows is done here, once for every call. A handler of Litestar's own builds a model
of its parameters and a response object for each request, which cost more than the reads they stand for.
"""

from typing import Any, Final

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler, route
from litestar.types import ASGIApp, Receive, Scope, Send

from diglot.dialects.dialect import SERVICES, Call, Dialect, Services
from diglot.dialects.operations import Endpoint, Operation
from diglot.errors import Forbidden

_ENCODE: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")


class Encoded:
    """An answer as bytes: an ASGI app that sends them."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
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


def routed(dialect: Dialect, endpoint: Endpoint) -> HTTPRouteHandler:
    """Return the route of a call of a dialect."""
    operation, handler = endpoint.operation, endpoint.handler

    async def answer(request: Request[Any, Any, Any]) -> ASGIApp:
        call = await _admitted(dialect, operation, request)
        return Encoded(operation.status, _ENCODE(await handler(call)))

    decorator = route(
        operation.path,
        http_method=operation.method,
        status_code=operation.status,
        operation_id=operation.id,
        name=f"{dialect.name}.{operation.id}",
    )
    return decorator(answer)


async def _admitted(dialect: Dialect, operation: Operation, request: Request[Any, Any, Any]) -> Call:
    services: Services = request.app.state[SERVICES]
    caller = await services.keys.authenticate(dialect.name, dialect.secret(request))
    if not dialect.may(caller.scopes, operation.scope):
        raise Forbidden(operation.scope)
    return Call(request, operation, caller, services)
