"""Response headers, and the `Idempotency-Key` request header."""

from typing import Any, Final

from diglot.api.dialect import Dialect
from diglot.api.operation import Operation
from diglot.api.responses import AS_OF_HEADER, COUNT_HEADER, REVISION_HEADER

IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A unique key for this request. A retry with the same key within 24 hours gets the first "
    "response again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "example": "2026-05-27-spring-segment",
}
_SECONDS: Final = {"type": "integer", "format": "int64", "minimum": 1}
_REQUEST_ID: Final = {
    "X-Request-Id": {
        "description": "The id of the request in the server's log. An id that the request sends is kept if "
        "it has 1 to 128 of the characters `A-Z a-z 0-9 . _ -`.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_REPLAYED: Final = {
    "Idempotency-Replayed": {
        "description": "`true` if this is the stored response to an earlier request with the same "
        "`Idempotency-Key`, or with the same content a few seconds ago.",
        "schema": {"type": "string"},
    }
}
_AS_OF: Final = {
    AS_OF_HEADER: {
        "description": "The sequence number of the last change that a page of members or an export includes.",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
        "x-diglot-extension": True,
    }
}
_EXPORTED: Final = {
    COUNT_HEADER: {
        "description": "The number of contacts in the export, of which those are left out that are deleted "
        "before they are read.",
        "schema": {"type": "integer", "format": "int64", "minimum": 0},
        "x-diglot-extension": True,
    },
    REVISION_HEADER: {
        "description": "The revision of the rules of the segment or the dynamic list.",
        "schema": {"type": "integer", "format": "int64", "minimum": 1},
        "x-diglot-extension": True,
    },
}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait before retrying.", "required": True, "schema": _SECONDS}
}


def build_headers(dialect: Dialect) -> dict[str, Any]:
    """Return all response headers of a dialect by name."""
    return _REQUEST_ID | dict(dialect.rate_header_docs) | _RETRY_AFTER | _REPLAYED | _AS_OF | _EXPORTED


def list_for_success(dialect: Dialect, operation: Operation) -> dict[str, Any]:
    """Return the headers of a success response."""
    more = (_REPLAYED if operation.accepts_idempotency_key else {}) | (
        _AS_OF if operation.lists_members or operation.exports_members else {}
    )
    more |= _EXPORTED if operation.exports_members else {}
    return _header_references(_REQUEST_ID | dict(dialect.rate_header_docs) | more)


def list_for_error(dialect: Dialect, status: int) -> dict[str, Any]:
    """Return the headers of an error response.

    A 401 has no rate-limit headers, because unauthenticated requests are not counted.
    """
    counted = dialect.rate_header_docs if status != 401 else {}
    return _header_references(_REQUEST_ID | dict(counted) | (_RETRY_AFTER if status in (429, 503) else {}))


def _header_references(every: dict[str, Any]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in every}
