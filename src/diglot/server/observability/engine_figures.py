"""Figures of the database engine of this process: its pools, its errors, its slow statements."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from diglot.request_record import LOG_FIELDS
from diglot.server.observability import families
from diglot.server.observability.figures import Figures
from diglot.storage.sql.engine import Engine, PoolUsage
from diglot.storage.sql.pool.watched import SlowStatement

log = logging.getLogger("diglot.database")
_INTERVAL_SECONDS: Final = 1.0
_MAX_SQL: Final = 2_000
# What of a pool is which metric.
_GAUGES: Final = (
    (families.POOL_SIZE, "size"),
    (families.POOL_IN_USE, "in_use"),
    (families.POOL_WAITING, "waiting"),
)
_COUNTERS: Final = ((families.POOL_WAITS, "waits"), (families.POOL_WAIT_SECONDS, "wait_seconds"))

# Field and what it is, in the order of a line; the operators' page is rendered from it.
SLOW_FIELDS: Final = {
    "ms": "Milliseconds until the result arrived.",
    "sql": "The statement without its values, at most 2,000 characters of it.",
    "operation": "The operation of the request, if the statement was part of one.",
    "workspace": "The number of its workspace.",
    "request": "The request's id.",
}


class SlowStatements:
    """Logs slow statements, and keeps how many there were; statements run on several threads."""

    def __init__(self) -> None:
        self._uncounted: deque[None] = deque()

    def report(self, slow: SlowStatement) -> None:
        """Log a statement, and note it for `take_count`."""
        log.warning("slow statement", extra={LOG_FIELDS: _list_fields(slow)})
        self._uncounted.append(None)

    def take_count(self) -> int:
        """Return the number of statements since the last call."""
        number = len(self._uncounted)
        for _ in range(number):
            self._uncounted.popleft()
        return number


class EngineFigures:
    """Copies the figures of an engine to those of the process.

    The engine counts from its start, and this adds to what an earlier process with the same slot counted.
    """

    def __init__(self, engine: Engine, figures: Figures, slow_statements: SlowStatements) -> None:
        self._engine = engine
        self._figures = figures
        self._slow_statements = slow_statements
        self._seen: dict[tuple[str, str], float] = {}

    def copy(self) -> None:
        """Copy the figures of now."""
        usage = self._engine.usage()
        for name, pool in usage.pools.items():
            self._copy_pool(families.known_label(families.POOL_SIZE, name), pool)
        for kind, number in usage.errors.items():
            self._add(families.DATABASE_ERRORS, families.known_label(families.DATABASE_ERRORS, kind), number)
        self._figures.count(families.SLOW_STATEMENTS, by=self._slow_statements.take_count())

    def _copy_pool(self, label: str, pool: PoolUsage) -> None:
        for family, attribute in _GAUGES:
            self._figures.set_figure(family, label, to=getattr(pool, attribute))
        for family, attribute in _COUNTERS:
            self._add(family, label, getattr(pool, attribute))

    def _add(self, family: families.Family, label: str, total: float) -> None:
        seen = self._seen.get((family.name, label), 0)
        if total != seen:
            self._figures.count(family, label, by=total - seen)
            self._seen[family.name, label] = total

    @asynccontextmanager
    async def copy_periodically(self) -> AsyncIterator[None]:
        """Copy the figures each second until the end of the block, so that other processes can show them."""
        copying = asyncio.create_task(self._run())
        try:
            yield
        finally:
            copying.cancel()
            with suppress(asyncio.CancelledError):
                await copying

    async def _run(self) -> None:
        while True:
            self.copy()
            await asyncio.sleep(_INTERVAL_SECONDS)


def _list_fields(slow: SlowStatement) -> dict[str, Any]:
    request = slow.request
    about = (
        {}
        if request is None
        else {"operation": request.operation, "workspace": request.workspace, "request": request.id}
    )
    fields = {"ms": round(slow.seconds * 1_000), "sql": " ".join(slow.sql.split())[:_MAX_SQL], **about}
    return {name: value for name, value in fields.items() if value is not None}
