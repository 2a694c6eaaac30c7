"""A call and the function that answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from diglot.api.call import Call
from diglot.api.operation import Operation
from diglot.api.responses import Encoded, encode

Handler = Callable[[Call], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call and the function that answers it."""

    operation: Operation
    handler: Handler


def handles(operation: Operation) -> Callable[[Handler], Endpoint]:
    """Make a function the handler of an operation; used as a decorator."""
    return lambda handler: Endpoint(operation, handler)


async def respond(call: Call, handler: Handler) -> Encoded:
    """Return what a handler answers, as bytes."""
    return Encoded(call.operation.status, encode(await handler(call)))
