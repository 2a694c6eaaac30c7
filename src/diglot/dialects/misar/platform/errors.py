"""Domain errors on the contacts platform: status and message of the mail routes, without their envelope."""

from diglot.api.responses import ErrorResponse
from diglot.dialects.misar import errors
from diglot.dialects.misar.platform.wire import PlatformError
from diglot.dialects.misar.wire import ErrorBody
from diglot.errors import Fault, InvalidInput


def render_error(error: Exception) -> ErrorResponse:
    """Return the response to an error; the message joins the faults of an input, each with its path."""
    answer = errors.render_error(error)
    assert isinstance(answer.body, ErrorBody)
    text = (
        "; ".join(map(_format_fault, error.faults)) if isinstance(error, InvalidInput) else answer.body.error
    )
    return ErrorResponse(answer.status, PlatformError(text), answer.headers)


def _format_fault(fault: Fault) -> str:
    where = ".".join(map(str, fault.path))
    return f"{where}: {fault.message}" if where else fault.message
