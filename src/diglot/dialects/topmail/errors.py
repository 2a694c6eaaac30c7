"""Maps domain errors to Topmail's envelope, one row per class (the vendor's errors page)."""

from diglot.api.responses import ErrorResponse
from diglot.dialects.topmail.wire import ErrorBody, ErrorDetail
from diglot.errors import (
    Conflict,
    ContentTooLarge,
    Forbidden,
    IdempotencyKeyReused,
    InUse,
    InvalidInput,
    InvalidSignature,
    LimitReached,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    UpstreamUnreachable,
)
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT

_NOT_FOUND_MESSAGES = {
    "segment": "Segment not found",
    "contact": "Contact not found",
    "list": "List not found",
    "event": "Event not found",
    "tag": "Tag not found",
    REFERENCED_CONTACT: "Contact not found",
    "route": "Not found: Diglot does not serve this path, and no upstream is set for it",
    "spelling": "Not found: Diglot does not serve this path, and passes none on that is spelled like this",
    "webhook": "Webhook not found",
}


# Errors whose message is constant.
_ALWAYS: dict[type[Exception], tuple[int, str, str]] = {
    Unauthenticated: (401, "unauthorized", "Missing, invalid or revoked API key"),
    InvalidSignature: (401, "unauthorized", "Invalid webhook signature"),
    MethodNotAllowed: (405, "method_not_allowed", "Method not allowed"),
    RequestTimeout: (408, "request_timeout", "The body did not come in time"),
    IdempotencyKeyReused: (409, "idempotency_conflict", "This idempotency key was used for another request"),
}


def render_error(error: Exception) -> ErrorResponse:
    """Return the response to an error; an unknown class is a 500."""
    if isinstance(error, InvalidInput):
        first = error.faults[0]
        detail = ErrorDetail("validation_error", first.message)
        if first.path:
            detail = ErrorDetail("validation_error", first.message, ".".join(map(str, first.path)))
        return ErrorResponse(400, ErrorBody(detail), {})
    status, code, message = _status_code_and_text(error)
    headers = {"Allow": ", ".join(error.allowed_methods)} if isinstance(error, MethodNotAllowed) else {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return ErrorResponse(status, ErrorBody(ErrorDetail(code, message)), headers)


def _status_code_and_text(error: Exception) -> tuple[int, str, str]:
    if (row := _ALWAYS.get(type(error))) is not None:
        return row
    match error:
        case Forbidden():
            return 403, "forbidden", f"API key does not have the {error.scope} permission"
        case LimitReached():
            return 403, "limit_reached", str(error)
        case NotFound():
            code = "contact_not_found" if error.resource == REFERENCED_CONTACT else "not_found"
            return 404, code, _NOT_FOUND_MESSAGES.get(error.resource, "Not found")
        case InUse():
            return 409, "in_use", str(error)
        case Conflict():
            return 409, "duplicate", str(error)
        case TooManyRequests():
            return 429, "rate_limited", f"Too many requests: retry in {error.retry_after} s"
        case ContentTooLarge():
            return 413, "payload_too_large", f"Request is too large: at most {error.limit:,} {error.unit}"
        case UnsupportedMediaType():
            return 415, "unsupported_media_type", f"Content-Type must be {' or '.join(error.media_types)}"
        case _:
            return _server_status_code_and_text(error)


def _server_status_code_and_text(error: Exception) -> tuple[int, str, str]:
    match error:
        case UpstreamUnreachable(timed_out=True):
            return 504, "gateway_timeout", "The upstream did not answer in time"
        case UpstreamUnreachable():
            return 502, "bad_gateway", "The upstream did not answer"
        case Unavailable():
            return 503, "service_unavailable", error.answer
        case _:
            return 500, "internal_error", "Internal server error"
