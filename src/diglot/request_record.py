"""What is known of a request in progress, for its log line and for metrics.

The server creates the record, and the layers below fill in what they learn. Code that logs finds the record
of its request in a context variable, because a statement of SQL does not know who asked for it.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final

# The key of the record in the scope of a request.
RECORD: Final = "diglot.record"
# The attribute of a log record for its fields: a mapping of names to values.
LOG_FIELDS: Final = "diglot_fields"


class RequestRecord:
    """A request in progress.

    `operation` is the name of the dialect, a point and the id of the call, None until a route is
    found. `workspace` and `key` are the number and the id of the caller, None without a valid key. `status`
    is 0 until the response begins. `rows` counts the rows of an import by what became of them, `received`
    tells what became of a webhook of a vendor.
    """

    # Defaults of the class: a record costs every request, and most of its attributes are never set.
    operation: str | None = None
    workspace: int | None = None
    key: str | None = None
    status: int = 0
    sent_bytes: int = 0
    rows: Mapping[str, int] | None = None
    received: str | None = None

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.started = perf_counter()

    def describe_caller(self) -> dict[str, int | str | None]:
        """Return the caller as fields of a log line."""
        return {"workspace": self.workspace, "key": self.key}


def record_of(scope: Any) -> RequestRecord:
    """Return the record in the scope of a request."""
    record: RequestRecord = scope[RECORD]
    return record


current_request: Final[ContextVar[RequestRecord | None]] = ContextVar("diglot_request", default=None)
