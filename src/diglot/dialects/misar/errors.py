"""Maps domain errors to Misar's envelope, one row per class (the vendor's errors page; Zod's flatten)."""

from diglot.api.responses import ErrorResponse
from diglot.dialects.misar.wire import ErrorBody, FieldFaults
from diglot.errors import (
    Conflict,
    ContentTooLarge,
    CrossSiteWrite,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    InvalidInput,
    InvalidSignature,
    LimitReached,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    ScopeNotGranted,
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
    "key": "API key not found",
    "route": "Not found: Diglot does not serve this path, and no upstream is set for it",
    "spelling": "Not found: Diglot does not serve this path, and passes none on that is spelled like this",
    "webhook": "Webhook not found",
    "import": "Import not found",
    REFERENCED_CONTACT: "Contact not found",
}
# The message names `contacts`, because that scope permits all audience calls of `read` and `write`.
# The vendor's code for a spent allowance, by which its clients know that no retry helps. An `upgrade` object
# would have them advertise the vendor's plans.
_LIMIT_CODE = "plan_limit_exceeded"
_AUDIENCE_SCOPES = {"read": "contacts", "write": "contacts"}

# Errors whose message is constant.
_FIXED_RESPONSES: dict[type[Exception], tuple[int, str]] = {
    Unauthenticated: (401, "Invalid or missing API key. Use: Authorization: Bearer msk_..."),
    InvalidSignature: (401, "Invalid webhook signature"),
    MethodNotAllowed: (405, "Method not allowed"),
    RequestTimeout: (408, "The body did not come in time"),
    IdempotencyKeyReused: (409, "This idempotency key was used for another request"),
}


def render_error(error: Exception) -> ErrorResponse:
    """Return the response to an error; an unknown class is a 500."""
    if isinstance(error, InvalidInput):
        return ErrorResponse(400, _validation_body(error), {})
    if isinstance(error, TooManyRequests):
        text = "Too many requests. Please slow down."
        return ErrorResponse(429, ErrorBody(success=False, error=text, retryAfter=error.retry_after), {})
    if isinstance(error, LimitReached):
        return ErrorResponse(403, ErrorBody(success=False, error=str(error), code=_LIMIT_CODE), {})
    status, text = _status_and_text(error)
    headers = {"Allow": ", ".join(error.allowed_methods)} if isinstance(error, MethodNotAllowed) else {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return ErrorResponse(status, ErrorBody(success=False, error=text), headers)


def _status_and_text(error: Exception) -> tuple[int, str]:
    if (row := _FIXED_RESPONSES.get(type(error))) is not None:
        return row
    match error:
        case ScopeNotGranted():
            return 403, f"API key does not have '{error.scope}' scope"
        case Forbidden():
            return 403, f"API key does not have '{_AUDIENCE_SCOPES.get(error.scope, error.scope)}' scope"
        case CrossSiteWrite():
            return 403, str(error)
        case NotFound():
            return 404, _NOT_FOUND_MESSAGES.get(error.resource, "Not found")
        case Conflict():
            return 409, str(error)
        case ContentTooLarge():
            return 413, f"Request is too large: at most {error.limit:,} {error.unit}"
        case UnsupportedMediaType():
            return 415, f"Content-Type must be {' or '.join(error.media_types)}"
        case _:
            return _server_status_and_text(error)


def _server_status_and_text(error: Exception) -> tuple[int, str]:
    match error:
        case UpstreamUnreachable(timed_out=True):
            return 504, "The upstream did not answer in time"
        case UpstreamUnreachable():
            return 502, "The upstream did not answer"
        case Unavailable():
            return 503, error.answer
        case _:
            return 500, "Internal server error"


def _validation_body(invalid: InvalidInput) -> ErrorBody:
    """Group the faults by the first part of their path, as Zod's flatten does; the message keeps the rest.

    The text of the error carries the first fault, because a client of the vendor drops the details.
    """
    fields: dict[str, list[str]] = {}
    form: list[str] = []
    for fault in invalid.faults:
        if not fault.path:
            form.append(fault.message)
            continue
        first, *rest = map(str, fault.path)
        where = f"{'.'.join(rest)}: " if rest else ""
        fields.setdefault(first, []).append(where + fault.message)
    text = ": ".join(["Validation failed", *map(_describe_fault, invalid.faults[:1])])
    return ErrorBody(success=False, error=text, details=FieldFaults(fields, form))


def _describe_fault(fault: Fault) -> str:
    where = ".".join(map(str, fault.path))
    return f"{where}: {fault.message}" if where else fault.message
