"""What a process counts: requests as they pass, and the work that runs by itself."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from diglot.dialects.registry import find_surface
from diglot.model.webhooks import Attempt
from diglot.request_record import RequestRecord
from diglot.server.console.routing import NO_DIALECT
from diglot.server.observability import families
from diglot.server.observability.families import FORWARDED, OTHER, PLACES, Family

_STATUS_INDEX: Final = {
    0 if status == "none" else int(status): index
    for index, status in enumerate(families.STATUSES)
    if status != OTHER
}
_OTHER_STATUS: Final = families.STATUSES.index(OTHER)
_OPERATION_INDEX: Final[Mapping[str, int]] = {
    ".".join(labels): index for index, labels in enumerate(families.OPERATIONS)
}
_IN_FLIGHT: Final = PLACES[families.HTTP_IN_FLIGHT.name]
_REQUESTS: Final = PLACES[families.HTTP_REQUESTS.name]
_DURATIONS: Final = PLACES[families.HTTP_DURATION.name]
_STATUS_COUNT: Final = len(families.STATUSES)
_DURATION_WIDTH: Final = families.HTTP_DURATION.width
_BUCKETS: Final = families.REQUEST_BUCKETS


class Figures:
    """Writes the figures of this process into its slot; its event loop alone may call it."""

    def __init__(self, cells: "memoryview[float]") -> None:
        self._cells = cells
        # The process that had the slot before may have died while it answered.
        cells[_IN_FLIGHT] = 0

    def begin_request(self) -> None:
        """Count a request in."""
        self._cells[_IN_FLIGHT] += 1

    def end_request(self, record: RequestRecord, operation: str, seconds: float) -> None:
        """Count a request out, under its operation and status."""
        cells = self._cells
        cells[_IN_FLIGHT] -= 1
        series = _OPERATION_INDEX[operation]
        status = _STATUS_INDEX.get(record.status, _OTHER_STATUS)
        cells[_REQUESTS + series * _STATUS_COUNT + status] += 1
        start = _DURATIONS + series * _DURATION_WIDTH
        cells[start + bisect_left(_BUCKETS, seconds)] += 1
        cells[start + _DURATION_WIDTH - 1] += seconds
        if record.rows is not None and record.status < 300:
            for outcome, rows in record.rows.items():
                self.count(families.IMPORTED_ROWS, outcome, by=rows)
        if record.received is not None and record.status < 300:
            self.count(families.RECEIVED_WEBHOOKS, record.received)

    def count_evaluation(self, outcome: str, seconds: float) -> None:
        """Count a first evaluation of a segment."""
        self.count(families.FIRST_EVALUATIONS, outcome)
        self.observe(families.FIRST_EVALUATION_DURATION, seconds)

    def count_attempt(self, attempt: Attempt) -> None:
        """Count an attempt to deliver to a webhook."""
        self.count(families.WEBHOOK_ATTEMPTS, attempt.outcome)

    def count(self, family: Family, *labels: str, by: float = 1) -> None:
        """Add to a counter; unknown labels raise ValueError."""
        self._cells[PLACES[family.name] + family.series.index(labels)] += by

    def set_figure(self, family: Family, *labels: str, to: float) -> None:
        """Set a gauge, or a counter that somebody else counts; unknown labels raise ValueError."""
        self._cells[PLACES[family.name] + family.series.index(labels)] = to

    def observe(self, family: Family, value: float) -> None:
        """Add a value to a histogram without labels."""
        start = PLACES[family.name]
        self._cells[start + bisect_left(family.buckets, value)] += 1
        self._cells[start + family.width - 1] += value


def name_unrouted(path: str) -> str:
    """Return the operation of a request without a route: its dialect, and `other`."""
    found = find_surface(path)
    return f"{NO_DIALECT if found is None else found[0].name}.{OTHER}"


def name_forwarded(dialect: str) -> str:
    """Return the operation of requests that are forwarded to the upstream of a dialect."""
    return f"{dialect}.{FORWARDED}"


def name_own_page(page: str) -> str:
    """Return the operation of a page that belongs to no dialect."""
    return f"{NO_DIALECT}.{page}"
