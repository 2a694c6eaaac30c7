"""The one way of a request through a dialect: key, rate, scope, repetition, handler, bytes.

Litestar routes; what follows is done here, once for every call. A handler of Litestar's own builds a model
of its parameters and a response object for each request, which cost more than the reads they stand for.
"""

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler, route
from litestar.types import ASGIApp

from diglot.api import authentication, idempotency
from diglot.api.call import SERVICES, Call
from diglot.api.dialect import Dialect
from diglot.api.endpoint import Endpoint, respond
from diglot.api.operation import Operation
from diglot.api.responses import EXTRA_HEADERS
from diglot.errors import Forbidden, TooMany
from diglot.model.workspaces import Caller
from diglot.service.services import Services


def routed(dialect: Dialect, endpoint: Endpoint) -> HTTPRouteHandler:
    """Return the route of a call of a dialect."""
    operation, handler = endpoint.operation, endpoint.handler

    async def answer(request: Request[Any, Any, Any]) -> ASGIApp:
        call = await _admitted(dialect, operation, request)
        if idempotency.may_be(call):
            return await idempotency.answer(call, handler)
        return await respond(call, handler)

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
    caller = await authentication.caller(dialect, request, services)
    await _count(dialect, operation, request, services, caller)
    if not dialect.may(caller.scopes, operation.scope):
        raise Forbidden(operation.scope)
    return Call(request, operation, caller, services)


async def _count(
    dialect: Dialect,
    operation: Operation,
    request: Request[Any, Any, Any],
    services: Services,
    caller: Caller,
) -> None:
    allowance = await services.rate_limits.consume(caller.key, *dialect.rate(operation))
    if allowance is not None:
        extra: list[tuple[bytes, bytes]] = request.scope[EXTRA_HEADERS]  # type: ignore[typeddict-item]
        extra.extend(dialect.rate_headers(allowance))
        if allowance.is_exceeded:
            raise TooMany(allowance.retry_after)
