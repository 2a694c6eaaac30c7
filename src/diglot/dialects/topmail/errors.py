"""Domain errors -> Topmail's envelope: one row for each class (the vendor's errors page)."""

from diglot.api.responses import Answer
from diglot.dialects.topmail.wire import ErrorBody, ErrorDetail
from diglot.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotAllowed,
    NotFound,
    Reused,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unreachable,
    Unsupported,
)
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT

_MISSING = {
    "segment": "Segment not found",
    "contact": "Contact not found",
    "list": "List not found",
    "tag": "Tag not found",
    REFERENCED_CONTACT: "Contact not found",
    "route": "Not found: Diglot does not serve this path, and no upstream is set for it",
    "spelling": "Not found: Diglot does not serve this path, and passes none on that is spelled like this",
    "webhook": "Webhook not found",
}


# Errors of which there is one thing to say.
_ALWAYS: dict[type[Exception], tuple[int, str, str]] = {
    Unauthenticated: (401, "unauthorized", "Missing, invalid or revoked API key"),
    NotAllowed: (405, "method_not_allowed", "Method not allowed"),
    TooSlow: (408, "request_timeout", "The body did not come in time"),
    Reused: (409, "idempotency_conflict", "This idempotency key was used for another request"),
}


def render_error(error: Exception) -> Answer:
    """Return the answer to an error; what is not of the family is a 500."""
    if isinstance(error, Invalid):
        first = error.faults[0]
        detail = ErrorDetail("validation_error", first.message)
        if first.path:
            detail = ErrorDetail("validation_error", first.message, ".".join(map(str, first.path)))
        return Answer(400, ErrorBody(detail), {})
    status, code, message = _row(error)
    headers = {"Allow": ", ".join(error.allow)} if isinstance(error, NotAllowed) else {}
    return Answer(status, ErrorBody(ErrorDetail(code, message)), headers)


def _row(error: Exception) -> tuple[int, str, str]:
    if (row := _ALWAYS.get(type(error))) is not None:
        return row
    match error:
        case Forbidden():
            return 403, "forbidden", f"API key does not have the {error.scope} permission"
        case NotFound():
            code = "contact_not_found" if error.thing == REFERENCED_CONTACT else "not_found"
            return 404, code, _MISSING.get(error.thing, "Not found")
        case Conflict():
            return 409, "duplicate", str(error)
        case TooMany():
            return 429, "rate_limited", f"Too many requests: retry in {error.seconds} s"
        case TooLarge():
            return 413, "payload_too_large", f"Request is too large: at most {error.limit:,} {error.unit}"
        case Unsupported():
            return 415, "unsupported_media_type", f"Content-Type must be {' or '.join(error.media)}"
        case _:
            return _row_of_servers(error)


def _row_of_servers(error: Exception) -> tuple[int, str, str]:
    match error:
        case Unreachable(late=True):
            return 504, "gateway_timeout", "The upstream did not answer in time"
        case Unreachable():
            return 502, "bad_gateway", "The upstream did not answer"
        case _:
            return 500, "internal_error", "Internal server error"
