"""The log line of a request: what was asked, by whom, what was answered and how long it took.

A key never appears: the line has the id of the key, which `diglot keys list` shows, too.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from diglot.request_record import LOG_FIELDS, RequestRecord
from diglot.server.console.routing import NO_DIALECT
from diglot.server.guards.networks import find_address
from diglot.server.guards.redaction import redact

access_logger: Final = logging.getLogger("diglot.access")
_TRACE_PARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

# Field and what it is, in the order of a line; the operators' page is rendered from it.
ACCESS_FIELDS: Final[Mapping[str, str]] = {
    "method": "The method.",
    "path": "The path without the query, because a query may have addresses of contacts.",
    "status": "The status of the response; 0 if the client left before it began.",
    "ms": "Milliseconds from the head of the request to the end of the response.",
    "bytes": "Bytes of the response's body.",
    "client": "The address of the client; with `--trusted-proxies`, as the first trusted proxy saw it.",
    "dialect": "The dialect, if the path belongs to one.",
    "operation": "The operation's id, as in the OpenAPI document and in the metrics: `other` has no route.",
    "workspace": "The number of the workspace, with a valid key or session.",
    "key": "The id of the key, as `diglot keys list` shows it; the key itself is never logged.",
    "created": "For an import: rows that made a contact.",
    "updated": "For an import: rows that changed a contact.",
    "skipped": "For an import: rows of known contacts that were to stay as they are.",
    "rejected": "For an import: rows with a fault.",
    "traceparent": "The header `traceparent`, if the client sent a valid one.",
    "request": "The request's id: `X-Request-Id` of the response.",
}


def log_request(scope: Mapping[str, Any], record: RequestRecord, seconds: float, proxies: int) -> None:
    """Write the line of a request; `proxies` is the number of reverse proxies before the server."""
    path = loggable_path(scope["path"])
    dialect, _, operation = (record.operation or "").rpartition(".")
    fields = {
        "method": scope["method"],
        "path": path,
        "status": record.status,
        "ms": round(seconds * 1_000, 1),
        "bytes": record.sent_bytes,
        "client": find_address(scope, proxies),
        "dialect": "" if dialect == NO_DIALECT else dialect,
        "operation": operation,
        **record.describe_caller(),
        **(record.rows or {}),
        "traceparent": _find_trace_parent(scope),
        "request": record.id,
    }
    shown = {name: value for name, value in fields.items() if value not in (None, "")}
    access_logger.info("request", extra={LOG_FIELDS: shown})


def loggable_path(path: str) -> str:
    """Return a path as it may appear in a log or a trace: in one line, and without an API key."""
    return redact(path.encode("unicode_escape").decode())


def _find_trace_parent(scope: Mapping[str, Any]) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent" and _TRACE_PARENT.fullmatch(value):
            return str(value.decode())
    return None
