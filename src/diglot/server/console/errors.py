"""Converts domain errors to the console's error body, which all paths outside the dialects share."""

from diglot.api.responses import ErrorResponse
from diglot.dialects.registry import DIALECTS
from diglot.errors import (
    Conflict,
    ContentTooLarge,
    CrossSiteWrite,
    InvalidInput,
    LimitReached,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from diglot.server.console.wire import ErrorBody


def render_error(error: Exception) -> ErrorResponse:
    """Return the response to an error; an error that is not a domain error is a 500."""
    if isinstance(error, InvalidInput):
        fields = {str(fault.path[0]): fault.message for fault in error.faults if fault.path}
        text = error.faults[0].message if not fields else "Invalid request"
        return ErrorResponse(400, ErrorBody(text, fields) if fields else ErrorBody(text), {})
    status, text = _status_and_text(error)
    headers = {"Allow": ", ".join(error.allowed_methods)} if isinstance(error, MethodNotAllowed) else {}
    if isinstance(error, TooManyRequests | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return ErrorResponse(status, ErrorBody(text), headers)


def _status_and_text(error: Exception) -> tuple[int, str]:
    match error:
        case CrossSiteWrite() | Conflict() | LimitReached():
            return 403 if isinstance(error, CrossSiteWrite) else 409, str(error)
        case Unauthenticated():
            return 401, "Not signed in"
        case NotFound():
            prefixes = " and ".join(dialect.prefix for dialect in DIALECTS)
            return 404, f"Not found: Diglot serves {prefixes}"
        case MethodNotAllowed():
            return 405, "Method not allowed"
        case RequestTimeout():
            return 408, "The body did not come in time"
        case ContentTooLarge():
            return 413, f"At most {error.limit:,} {error.unit}"
        case UnsupportedMediaType():
            return 415, "Content-Type must be application/json"
        case TooManyRequests():
            return 429, "Too many attempts: wait and try again"
        case Unavailable():
            return 503, error.answer
        case _:
            return 500, "Internal server error"
