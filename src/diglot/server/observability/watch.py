"""What happens around every request so that an operator sees it: figures, the log line, a span."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, Protocol

from diglot.request_record import RECORD, RequestRecord, current_request
from diglot.server.access_log import log_request
from diglot.server.observability.figures import Figures, name_unrouted

Scope = Mapping[str, Any]


class Tracing(Protocol):
    """Spans of requests and of the database units in them."""

    def request(self, scope: Scope, record: RequestRecord) -> AbstractContextManager[object]:
        """Return the context of a request: a span that ends with it."""

    def unit(self, kind: str) -> AbstractContextManager[object]:
        """Return the context of a database unit of a kind, such as `read`."""

    def close(self) -> None:
        """Export what is left; this may take seconds."""


class RequestWatch:
    """Watches requests; without arguments it only keeps their records."""

    def __init__(
        self,
        figures: Figures | None = None,
        tracing: Tracing | None = None,
        *,
        logs: bool = False,
        proxies: int = 0,
    ) -> None:
        self._figures = figures
        self._tracing = tracing
        self._logs = logs
        self._proxies = proxies

    def begin(self, scope: dict[str, Any], request_id: str) -> RequestRecord:
        """Create the record of a request, and put it where the layers below find it."""
        scope[RECORD] = record = RequestRecord(request_id)
        current_request.set(record)
        if self._figures is not None:
            self._figures.begin_request()
        return record

    @property
    def is_tracing(self) -> bool:
        """Whether requests have spans."""
        return self._tracing is not None

    def span(self, scope: Scope, record: RequestRecord) -> AbstractContextManager[object] | None:
        """Return the context in which a request is answered, None if nobody traces."""
        return None if self._tracing is None else self._tracing.request(scope, record)

    def end(self, scope: Scope, record: RequestRecord) -> None:
        """Count and log a request that has been answered, or whose client left."""
        seconds = perf_counter() - record.started
        if record.operation is None:
            record.operation = name_unrouted(scope["path"])
        if self._figures is not None:
            self._figures.end_request(record, record.operation, seconds)
        if self._logs:
            log_request(scope, record, seconds, self._proxies)
