"""What is known of a request in progress, for its log line and for metrics.

The server creates the record, and the layers below fill in what they learn. Code that logs finds the record
of its request in a context variable, because a statement of SQL does not know who asked for it.
"""

import time
from contextvars import ContextVar
from typing import Final

# The key of the record in the scope of a request.
RECORD: Final = "diglot.record"
# The attribute of a log record for its fields: a mapping of names to values.
LOG_FIELDS: Final = "diglot_fields"


class RequestRecord:
    """A request in progress.

    `operation` is the name of the dialect, a point and the id of the call, None until a route is
    found. `workspace` and `key` are the number and the id of the caller, None without a valid key. `status`
    is 0 until the response begins. `rows` counts the rows of an import by what became of them.
    """

    __slots__ = ("id", "key", "operation", "rows", "sent_bytes", "started", "status", "workspace")

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.operation: str | None = None
        self.workspace: int | None = None
        self.key: str | None = None
        self.status = 0
        self.sent_bytes = 0
        self.rows: dict[str, int] | None = None
        self.started = time.perf_counter()


current_request: Final[ContextVar[RequestRecord | None]] = ContextVar("diglot_request", default=None)
