"""The headers of the answers, and the one that names a request."""

from typing import Any, Final

from diglot.api.dialect import Dialect
from diglot.api.operation import Operation
from diglot.api.responses import HEADER

IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name for this request: sent again within 24 hours, it is answered as the first time.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "example": "2026-05-27-spring-segment",
}
_SECONDS: Final = {"type": "integer", "format": "int64", "minimum": 1}
_REQUEST_ID: Final = {
    "X-Request-Id": {
        "description": "The name of the request in the log; one that is sent comes back, if it is of 1 to "
        "128 of `A-Z a-z 0-9 . _ -`.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_REPEATED: Final = {
    "Idempotency-Replayed": {
        "description": "`true` where the answer is that of an earlier request of the same name, or of the "
        "same content a moment ago.",
        "schema": {"type": "string"},
    }
}
_AS_OF: Final = {
    HEADER: {
        "description": "Of a page of members the sequence number of the last change that it knows.",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
        "x-diglot-extension": True,
    }
}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": _SECONDS}
}


def headers(dialect: Dialect) -> dict[str, Any]:
    """Return every header of a dialect's answers, by its own name."""
    return _REQUEST_ID | dict(dialect.rate_header_words) | _RETRY_AFTER | _REPEATED | _AS_OF


def of_success(dialect: Dialect, operation: Operation) -> dict[str, Any]:
    """Return the headers of an answer of success."""
    more = (_REPEATED if operation.may_be_named else {}) | (_AS_OF if operation.lists_members else {})
    return _references(_REQUEST_ID | dict(dialect.rate_header_words) | more)


def of_fault(dialect: Dialect, status: int) -> dict[str, Any]:
    """Return the headers of an answer that tells of a fault: who is not known is not counted."""
    counted = dialect.rate_header_words if status != 401 else {}
    return _references(_REQUEST_ID | dict(counted) | (_RETRY_AFTER if status == 429 else {}))


def _references(every: dict[str, Any]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in every}
