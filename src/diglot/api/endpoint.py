"""Endpoints: an operation with its handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from diglot.api.call import Call
from diglot.api.operation import Operation
from diglot.api.responses import JsonResponse, encode_json

Handler = Callable[[Call], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation and the function that answers it."""

    operation: Operation
    handler: Handler


def handles(operation: Operation) -> Callable[[Handler], Endpoint]:
    """Return a decorator that makes a function the handler of an operation."""
    return lambda handler: Endpoint(operation, handler)


async def respond(call: Call, handler: Handler) -> JsonResponse:
    """Run the handler of a call and encode its response."""
    return JsonResponse(call.operation.status, encode_json(await handler(call)))
