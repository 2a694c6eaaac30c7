"""Endpoints: an operation with its handler."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from diglot.api.call import Call
from diglot.api.operation import Operation
from diglot.api.responses import (
    JsonResponse,
    StreamedFile,
    StreamedList,
    StreamedResponse,
    encode_in_pieces,
    encode_json,
)
from diglot.computations import compute

# A handler that remembers answers returns them encoded.
Handler = Callable[[Call], Awaitable[msgspec.Struct | StreamedList | StreamedFile | bytes]]
# Reads the body of a call; see `Call.read_input`.
ReadInput = Callable[[Call, bytes], object]


class Endpoint(msgspec.Struct, frozen=True):
    """An operation and the function that answers it.

    A call that is one transaction reads its input with `read_input`, ahead of it.
    """

    operation: Operation
    handler: Handler
    read_input: ReadInput | None = None


def handles(operation: Operation, read_input: ReadInput | None = None) -> Callable[[Handler], Endpoint]:
    """Return a decorator that makes a function the handler of an operation."""
    return lambda handler: Endpoint(operation, handler, read_input)


async def respond(call: Call, handler: Handler) -> JsonResponse | StreamedResponse:
    """Run the handler of a call; return its response, encoded now or, if it is long, while it is sent."""
    try:
        result = await handler(call)
        if isinstance(result, bytes):
            return JsonResponse(call.operation.status, result)
        if isinstance(result, StreamedList | StreamedFile):
            return StreamedResponse(call.operation.status, result)
        if call.long_bytes:
            body = await compute(partial(encode_in_pieces, result), in_unit=True)
            return JsonResponse(call.operation.status, body)
        return JsonResponse(call.operation.status, encode_json(result))
    finally:
        call.release()


async def respond_whole(call: Call, handler: Handler) -> JsonResponse:
    """Run the handler of a write and encode its response."""
    response = await respond(call, handler)
    assert isinstance(response, JsonResponse)
    return response
