"""What `/metrics` and `/ready` show, as values that a page for people can say."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec

from diglot.model.metrics import Metrics
from diglot.server.console.routing import NO_DIALECT
from diglot.server.observability import families, process_metrics
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.exposition import Samples, add_up, labelled, single
from diglot.server.observability.families import PLACES, Family, Labels


class Measured(msgspec.Struct, frozen=True):
    """What is measured at each request: the processes, the build, and the disk of a SQLite file.

    `sums` are those of the processes by the name of the metric, empty where there is no /proc.
    """

    processes: int
    build: Mapping[str, str]
    sums: Mapping[str, float]
    free_bytes: int | None
    file_bytes: Mapping[str, int]

    def list_samples(self) -> list[Samples]:
        """Return the samples of `/metrics`."""
        known = self.free_bytes is not None
        return [
            single(process_metrics.PROCESSES, self.processes),
            (process_metrics.BUILD_INFO, [(tuple(self.build.values()), 1)]),
            *(
                single(family, self.sums[family.name])
                for family in process_metrics.PROCESS_FAMILIES
                if self.sums
            ),
            *([single(process_metrics.DISK_FREE, self.free_bytes or 0)] if known else []),
            *([labelled(process_metrics.FILE_SIZE, self.file_bytes)] if known else []),
        ]


class Counted(msgspec.Struct, frozen=True):
    """What all processes counted since the server started; requests are those of the APIs.

    `by_status` has the first digit of a status, `0` where the client left. `buckets` are counts of requests
    that took at most as long as the limit of the same place in `families.REQUEST_BUCKETS`, and then of all.
    """

    by_status: Mapping[str, int]
    buckets: Sequence[int]
    database_errors: int
    slow_statements: int
    connections: int
    connections_in_use: int
    waiting: int
    attempts: Mapping[str, int]
    imported: Mapping[str, int]
    evaluations: Mapping[str, int]

    @property
    def requests(self) -> int:
        """The number of requests."""
        return sum(self.by_status.values())

    def find_quantile(self, share: float) -> float | None:
        """Return the seconds within which a share of the requests was answered; None without requests."""
        wanted, below, limit_below = self.buckets[-1] * share, 0, 0.0
        if not wanted:
            return None
        for limit, count in zip(families.REQUEST_BUCKETS, self.buckets, strict=False):
            if count >= wanted:
                return limit_below + (limit - limit_below) * (wanted - below) / (count - below)
            below, limit_below = count, limit
        return limit_below


class Summary(msgspec.Struct, frozen=True):
    """The state of each part, the sums of the database (None if it does not answer), and the figures."""

    states: Mapping[str, str]
    stored: Metrics | None
    is_up: bool
    measured: Measured
    counted: Counted


def count_figures(cells: SharedCells) -> Counted:
    """Return the sums over the processes of a server."""
    ever, now = add_up(cells.of_all_processes()), add_up(cells.of_live_processes())
    by_status = dict.fromkeys("02345", 0)
    for labels, value in _iterate(families.HTTP_REQUESTS, ever):
        if labels[0] != NO_DIALECT:
            digit = labels[2][0] if labels[2][0].isdigit() else "0"
            by_status[digit] = by_status.get(digit, 0) + int(value)
    return Counted(
        by_status,
        _add_buckets(ever),
        _sum(families.DATABASE_ERRORS, ever),
        _sum(families.SLOW_STATEMENTS, ever),
        _sum(families.POOL_SIZE, now),
        _sum(families.POOL_IN_USE, now),
        _sum(families.POOL_WAITING, now),
        _by_label(families.WEBHOOK_ATTEMPTS, ever),
        _by_label(families.IMPORTED_ROWS, ever),
        _by_label(families.FIRST_EVALUATIONS, ever),
    )


def _iterate(family: Family, figures: Sequence[float]) -> Iterator[tuple[Labels, float]]:
    start = PLACES[family.name]
    return zip(family.series, figures[start : start + len(family.series)], strict=True)


def _sum(family: Family, figures: Sequence[float]) -> int:
    return int(sum(value for _, value in _iterate(family, figures)))


def _by_label(family: Family, figures: Sequence[float]) -> dict[str, int]:
    return {labels[0]: int(value) for labels, value in _iterate(family, figures)}


def _add_buckets(figures: Sequence[float]) -> list[int]:
    """Return the buckets of all operations of the APIs together, each with those below it."""
    family = families.HTTP_DURATION
    sums = [0] * (family.width - 1)
    for index, labels in enumerate(family.series):
        start = PLACES[family.name] + index * family.width
        if labels[0] != NO_DIALECT:
            for place, value in enumerate(figures[start : start + len(sums)]):
                sums[place] += int(value)
    return list(accumulate(sums))
