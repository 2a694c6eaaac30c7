"""The metrics that processes count in memory: names, labels, and where their figures are in a slot.

Every series exists from the start, because a process cannot tell another of a new one, and because bounded
labels keep a client from filling the memory of Prometheus: unknown paths are one series.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, product
from typing import Final, Literal

import msgspec

from diglot.dialects.registry import DIALECTS
from diglot.errors import Unavailable
from diglot.server.console.routing import NO_DIALECT

Labels = tuple[str, ...]
COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"
OTHER: Final = "other"
FORWARDED: Final = "forwarded"
# The statuses that Diglot answers, and those that are usual for an upstream. Any other is `other`, and
# `none` is a request whose client left before the response began.
STATUSES: Final = (
    *("none", OTHER, "200", "201", "202", "204", "206", "301", "302", "303", "304", "307", "308"),
    *("400", "401", "402", "403", "404", "405", "406", "408", "409", "410", "411", "412", "413", "414"),
    *("415", "417", "421", "422", "423", "424", "425", "426", "428", "429", "431", "451"),
    *("500", "501", "502", "503", "504", "507", "508"),
)
# From a read of one row to an import that waits for others, in seconds.
REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
EVALUATION_BUCKETS: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)


class Family(msgspec.Struct, frozen=True):
    """A metric: its series are the values of its labels; a histogram has the upper limits of buckets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    label_names: Labels = ()
    series: tuple[Labels, ...] = ((),)
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """The number of cells of a series: a histogram has its buckets, those above, and the sum."""
        return len(self.buckets) + 2 if self.buckets else 1


def _operations() -> tuple[Labels, ...]:
    """Return dialect and operation of every series of requests; `other` is also what has no route."""
    return (
        *(
            (one.name, id_)
            for one in DIALECTS
            for id_ in dict.fromkeys(each.id for _, each in one.operations)
        ),
        *((one.name, name) for one in DIALECTS for name in (FORWARDED, OTHER)),
        *((NO_DIALECT, name) for name in ("health", "ready", "metrics", "console", OTHER)),
    )


OPERATIONS: Final = _operations()
_REQUEST_LABELS: Final = ("dialect", "operation")


def _kinds(base: type[Unavailable]) -> Iterator[type[Unavailable]]:
    """Yield a class of failures and all that derive from it."""
    yield base
    for derived in base.__subclasses__():
        yield from _kinds(derived)


HTTP_REQUESTS: Final = Family(
    "diglot_http_requests_total",
    COUNTER,
    "Requests by dialect, operation and status of the response.",
    (*_REQUEST_LABELS, "status"),
    tuple((*operation, status) for operation, status in product(OPERATIONS, STATUSES)),
)
HTTP_DURATION: Final = Family(
    "diglot_http_request_duration_seconds",
    HISTOGRAM,
    "Time from the head of a request to the end of its response, by dialect and operation.",
    _REQUEST_LABELS,
    OPERATIONS,
    REQUEST_BUCKETS,
)
HTTP_IN_FLIGHT: Final = Family("diglot_http_requests_in_flight", GAUGE, "Requests that are being answered.")
IMPORTED_ROWS: Final = Family(
    "diglot_imported_rows_total",
    COUNTER,
    "Rows of imports, by what became of them.",
    ("outcome",),
    (("created",), ("updated",), ("skipped",), ("rejected",)),
)
RECEIVED_WEBHOOKS: Final = Family(
    "diglot_received_webhooks_total",
    COUNTER,
    "Webhooks received from a vendor: recorded, repeated, of an address that no contact has, or ignored.",
    ("outcome",),
    (("recorded",), ("repeated",), ("no_contact",), ("ignored",)),
)
FIRST_EVALUATIONS: Final = Family(
    "diglot_first_evaluations_total",
    COUNTER,
    "First evaluations of segments in the background: stored, superseded by an update meanwhile, or failed.",
    ("outcome",),
    (("stored",), ("superseded",), ("failed",)),
)
FIRST_EVALUATION_DURATION: Final = Family(
    "diglot_first_evaluation_duration_seconds",
    HISTOGRAM,
    "Time of a first evaluation in the background.",
    buckets=EVALUATION_BUCKETS,
)
WEBHOOK_ATTEMPTS: Final = Family(
    "diglot_webhook_attempts_total",
    COUNTER,
    "Attempts to deliver to webhooks: accepted, rejected by a status, without a response, or failed here.",
    ("outcome",),
    (("accepted",), ("rejected",), ("unreachable",), ("failed",)),
)
SLOW_STATEMENTS: Final = Family(
    "diglot_slow_statements_total", COUNTER, "Statements of SQL that took at least --slow-statement-ms."
)
# The pools of both databases: PostgreSQL's connections, and SQLite's readers and its writer.
_POOLS: Final = (("connections",), ("read",), ("write",), (OTHER,))
POOL_SIZE: Final = Family(
    "diglot_database_pool_connections", GAUGE, "Connections that a pool may use.", ("pool",), _POOLS
)
POOL_IN_USE: Final = Family(
    "diglot_database_pool_connections_in_use", GAUGE, "Connections in use.", ("pool",), _POOLS
)
POOL_WAITING: Final = Family(
    "diglot_database_pool_waiting", GAUGE, "Units of work that wait for a connection.", ("pool",), _POOLS
)
# The caches of `--cache-megabytes`.
_CACHES: Final = (
    ("active segments",),
    ("attribute keys",),
    ("log deltas of readers",),
    ("log deltas of writers",),
    ("members as of",),
    (OTHER,),
)
CACHE_BYTES: Final = Family(
    "diglot_cache_bytes", GAUGE, "Estimated memory of what is cached of workspaces.", ("cache",), _CACHES
)
POOL_WAITS: Final = Family(
    "diglot_database_pool_waits_total",
    COUNTER,
    "Units of work that had to wait for a connection.",
    ("pool",),
    _POOLS,
)
POOL_WAIT_SECONDS: Final = Family(
    "diglot_database_pool_wait_seconds_total",
    COUNTER,
    "Time that units of work waited for a connection.",
    ("pool",),
    _POOLS,
)
DATABASE_ERRORS: Final = Family(
    "diglot_database_errors_total",
    COUNTER,
    "Failures of the database, by kind: requests that got a 503, and background work to repeat.",
    ("kind",),
    (*((kind,) for kind in sorted({one.kind for one in _kinds(Unavailable)})), (OTHER,)),
)
FAMILIES: Final = (
    HTTP_REQUESTS,
    HTTP_DURATION,
    HTTP_IN_FLIGHT,
    IMPORTED_ROWS,
    RECEIVED_WEBHOOKS,
    FIRST_EVALUATIONS,
    FIRST_EVALUATION_DURATION,
    WEBHOOK_ATTEMPTS,
    POOL_SIZE,
    POOL_IN_USE,
    POOL_WAITING,
    POOL_WAITS,
    POOL_WAIT_SECONDS,
    CACHE_BYTES,
    DATABASE_ERRORS,
    SLOW_STATEMENTS,
)


def known_label(family: Family, label: str) -> str:
    """Return a label of a family with one label, or `other` if it has no such series."""
    return label if (label,) in family.series else OTHER


def _place(families: Iterable[Family]) -> tuple[dict[str, int], int]:
    """Return the first cell of each family by name, and the number of cells of all."""
    known: Sequence[Family] = tuple(families)
    ends = list(accumulate(family.width * len(family.series) for family in known))
    return {family.name: start for family, start in zip(known, [0, *ends], strict=False)}, ends[-1]


PLACES, SIZE = _place(FAMILIES)
