"""Domain errors -> the console's own envelope, which is that of every path outside the dialects."""

from diglot.api.responses import Answer
from diglot.dialects.registry import DIALECTS
from diglot.errors import (
    CrossSite,
    Invalid,
    NotAllowed,
    NotFound,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unsupported,
)
from diglot.server.console.wire import ErrorBody


def render_error(error: Exception) -> Answer:
    """Return the answer to an error; what is not of the family is a 500."""
    if isinstance(error, Invalid):
        fields = {str(fault.path[0]): fault.message for fault in error.faults if fault.path}
        text = error.faults[0].message if not fields else "The request is at fault"
        return Answer(400, ErrorBody(text, fields) if fields else ErrorBody(text), {})
    status, text = _row(error)
    headers = {"Allow": ", ".join(error.allow)} if isinstance(error, NotAllowed) else {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.seconds)
    return Answer(status, ErrorBody(text), headers)


def _row(error: Exception) -> tuple[int, str]:
    match error:
        case Unauthenticated():
            return 401, "Not signed in"
        case CrossSite():
            return 403, str(error)
        case NotFound():
            prefixes = " and ".join(dialect.prefix for dialect in DIALECTS)
            return 404, f"Not found: Diglot serves {prefixes}"
        case NotAllowed():
            return 405, "Method not allowed"
        case TooSlow():
            return 408, "The body did not come in time"
        case TooLarge():
            return 413, f"At most {error.limit:,} {error.unit}"
        case Unsupported():
            return 415, "Content-Type must be application/json"
        case TooMany():
            return 429, "Too many attempts: wait and try again"
        case _:
            return 500, "Internal server error"
