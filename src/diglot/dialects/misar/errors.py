"""Domain errors -> Misar's envelope: one row for each class (the vendor's errors page; Zod's flatten)."""

from diglot.api.responses import Answer
from diglot.dialects.misar.wire import ErrorBody, FieldFaults
from diglot.errors import (
    Conflict,
    CrossSite,
    Forbidden,
    Invalid,
    NotAllowed,
    NotFound,
    Reused,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Ungranted,
    Unreachable,
    Unsupported,
)
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT

_MISSING = {
    "segment": "Segment not found",
    "contact": "Contact not found",
    "list": "List not found",
    "key": "API key not found",
    "route": "Not found: Diglot does not serve this path, and no upstream is set for it",
    "spelling": "Not found: Diglot does not serve this path, and passes none on that is spelled like this",
    "webhook": "Webhook not found",
    REFERENCED_CONTACT: "Contact not found",
}
# What `read` and `write` open of the audience, `contacts` opens whole: the scope to ask for.
_AUDIENCE = {"read": "contacts", "write": "contacts"}

# Errors of which there is one thing to say.
_ALWAYS: dict[type[Exception], tuple[int, str]] = {
    Unauthenticated: (401, "Invalid or missing API key. Use: Authorization: Bearer msk_..."),
    NotAllowed: (405, "Method not allowed"),
    TooSlow: (408, "The body did not come in time"),
    Reused: (409, "This idempotency key was used for another request"),
}


def render_error(error: Exception) -> Answer:
    """Return the answer to an error; what is not of the family is a 500."""
    if isinstance(error, Invalid):
        return Answer(400, _validation(error), {})
    if isinstance(error, TooMany):
        text = "Too many requests. Please slow down."
        return Answer(429, ErrorBody(success=False, error=text, retryAfter=error.seconds), {})
    status, text = _row(error)
    headers = {"Allow": ", ".join(error.allow)} if isinstance(error, NotAllowed) else {}
    return Answer(status, ErrorBody(success=False, error=text), headers)


def _row(error: Exception) -> tuple[int, str]:
    if (row := _ALWAYS.get(type(error))) is not None:
        return row
    match error:
        case Ungranted():
            return 403, f"API key does not have '{error.scope}' scope"
        case Forbidden():
            return 403, f"API key does not have '{_AUDIENCE.get(error.scope, error.scope)}' scope"
        case CrossSite():
            return 403, str(error)
        case NotFound():
            return 404, _MISSING.get(error.thing, "Not found")
        case Conflict():
            return 409, str(error)
        case TooLarge():
            return 413, f"Request is too large: at most {error.limit:,} {error.unit}"
        case Unsupported():
            return 415, f"Content-Type must be {' or '.join(error.media)}"
        case _:
            return _row_of_servers(error)


def _row_of_servers(error: Exception) -> tuple[int, str]:
    match error:
        case Unreachable(late=True):
            return 504, "The upstream did not answer in time"
        case Unreachable():
            return 502, "The upstream did not answer"
        case _:
            return 500, "Internal server error"


def _validation(invalid: Invalid) -> ErrorBody:
    """Key the faults by the first part of their path, as Zod's flatten does; keep the rest in the text."""
    fields: dict[str, list[str]] = {}
    form: list[str] = []
    for fault in invalid.faults:
        if not fault.path:
            form.append(fault.message)
            continue
        first, *rest = map(str, fault.path)
        where = f"{'.'.join(rest)}: " if rest else ""
        fields.setdefault(first, []).append(where + fault.message)
    return ErrorBody(success=False, error="Validation failed", details=FieldFaults(fields, form))
