"""Figures of the database engine of this process: its pools, caches, errors and slow statements."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from diglot.server.observability import families
from diglot.server.observability.figures import Figures
from diglot.storage.sql.engine import Engine, PoolUsage
from diglot.storage.sql.pool.slow_statements import SLOW_STATEMENTS

_INTERVAL_SECONDS: Final = 1.0
# What of a pool is which metric.
_GAUGES: Final = (
    (families.POOL_SIZE, "size"),
    (families.POOL_IN_USE, "in_use"),
    (families.POOL_WAITING, "waiting"),
)
_COUNTERS: Final = ((families.POOL_WAITS, "waits"), (families.POOL_WAIT_SECONDS, "wait_seconds"))


class EngineFigures:
    """Copies the figures of an engine to those of the process.

    The engine counts from its start, and this adds to what an earlier process with the same slot counted.
    """

    def __init__(self, engine: Engine, figures: Figures) -> None:
        self.engine = engine
        self._figures = figures
        self._seen: dict[tuple[str, str], float] = {}

    def copy(self) -> None:
        """Copy the figures of now."""
        usage = self.engine.usage()
        for name, pool in usage.pools.items():
            self._copy_pool(families.known_label(families.POOL_SIZE, name), pool)
        for name, weight in self.engine.process_cache.weights().items():
            self._figures.set_figure(
                families.CACHE_BYTES, families.known_label(families.CACHE_BYTES, name), to=weight
            )
        for kind, number in usage.errors.items():
            self._add(families.DATABASE_ERRORS, families.known_label(families.DATABASE_ERRORS, kind), number)
        self._figures.count(families.SLOW_STATEMENTS, by=SLOW_STATEMENTS.take_count())

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
