"""The pipeline of every request: authentication, rate limit, scope, idempotency, handler, response.

Litestar only routes, because its own handlers build a model of the parameters and a response object for each
request, which costs more than the database reads behind them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Request as LitestarRequest
from litestar.handlers import HTTPRouteHandler, route
from litestar.types import ASGIApp

from diglot.api import authentication, idempotency
from diglot.api.call import SERVICES, Call
from diglot.api.dialect import Dialect
from diglot.api.endpoint import Endpoint, respond
from diglot.api.input.request import Request
from diglot.api.operation import Operation
from diglot.api.responses import EXTRA_HEADERS, JsonResponse, StreamedResponse
from diglot.errors import Forbidden, TooManyRequests
from diglot.model.workspaces import Caller
from diglot.request_record import record_of
from diglot.service.services import Services

# Answers a request for a call, or raises an error.
Responder = Callable[[Request, Services], Awaitable[JsonResponse | StreamedResponse]]
# The key of the responder among the options of its route.
RESPONDER: Final = "responder"


def build_responder(dialect: Dialect, endpoint: Endpoint) -> Responder:
    """Return the function that takes a request for an endpoint through the pipeline."""
    operation, handler = endpoint.operation, endpoint.handler
    name = f"{dialect.name}.{operation.id}"

    async def answer(request: Request, services: Services) -> JsonResponse | StreamedResponse:
        record_of(request.scope).operation = name
        call = await _admit_call(dialect, operation, request, services)
        if idempotency.applies_to(call):
            return await idempotency.respond_once(call, endpoint)
        return await respond(call, handler)

    return answer


def build_route(dialect: Dialect, endpoint: Endpoint) -> HTTPRouteHandler:
    """Return the Litestar route of an endpoint, with its responder among the options."""
    operation = endpoint.operation
    responder = build_responder(dialect, endpoint)

    async def answer(request: LitestarRequest[Any, Any, Any]) -> ASGIApp:
        return await responder(Request(request.scope, request.receive), request.app.state[SERVICES])

    # The function answers as the hook before the handler, because Litestar builds a model of the parameters
    # for the handler, which is then not called: the model of none costs a start the least.
    decorator = route(
        operation.path,
        http_method=operation.method,
        status_code=operation.status,
        operation_id=operation.id,
        name=f"{dialect.name}.{operation.id}",
        before_request=answer,
        opt={RESPONDER: responder},
    )
    return decorator(_not_called)


async def _not_called() -> ASGIApp:
    """Stand for a handler, whose type of response Litestar reads; it calls none whose hook has answered."""
    raise NotImplementedError


async def _admit_call(dialect: Dialect, operation: Operation, request: Request, services: Services) -> Call:
    body = None
    if operation.is_signed:
        caller, body = await authentication.authenticate_webhook(dialect, operation, request, services)
    else:
        caller = await authentication.authenticate_request(dialect, request, services)
    record = record_of(request.scope)
    record.workspace, record.key = caller.workspace, caller.key
    await _count_request(dialect, operation, request, services, caller)
    if not dialect.scopes_allow(caller.scopes, operation.scope):
        raise Forbidden(operation.scope)
    return Call(request, operation, caller, services, body)


async def _count_request(
    dialect: Dialect, operation: Operation, request: Request, services: Services, caller: Caller
) -> None:
    allowance = await services.rate_limits.consume_of(caller, *dialect.rate_for(operation))
    if allowance is not None:
        request.scope[EXTRA_HEADERS].extend(dialect.build_rate_headers(allowance))
        if allowance.is_exceeded:
            raise TooManyRequests(allowance.retry_after)
