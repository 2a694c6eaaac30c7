"""Everything that watches one server process: its figures, its slow statements, its traces."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from diglot.caches import MEBIBYTE
from diglot.errors import Misconfigured
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.engine_figures import EngineFigures
from diglot.server.observability.figures import Figures
from diglot.server.observability.watch import RequestWatch, Tracing
from diglot.settings import Settings
from diglot.storage.connect import create_engine, name_database
from diglot.storage.sql.engine import Engine, Limits
from diglot.storage.sql.pool.slow_statements import SLOW_STATEMENTS
from diglot.storage.sql.pool.traced import TracedEngine


@dataclass(frozen=True, slots=True)
class Instruments:
    """What watches a process, and the engine that it watches; `cells` is shared with other processes."""

    settings: Settings
    cells: SharedCells
    figures: Figures
    tracing: Tracing | None
    engine: Engine
    engine_figures: EngineFigures

    def watch_requests(self) -> RequestWatch:
        """Return what happens around each request."""
        settings = self.settings
        return RequestWatch(
            self.figures, self.tracing, logs=settings.access_log, proxies=settings.trusted_proxies
        )

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Copy the figures of the engine until the end of the block, and then export what is left."""
        try:
            async with self.engine_figures.copy_periodically():
                yield
        finally:
            if self.tracing is not None:
                await asyncio.to_thread(self.tracing.close)


def create_instruments(settings: Settings, cells: SharedCells) -> Instruments:
    """Return the instruments of this process; raise `Misconfigured` for traces without their extra."""
    SLOW_STATEMENTS.set_threshold(settings.slow_statement_ms)
    figures, tracing = Figures(cells.figures), _create_tracing(settings)
    limits = Limits(
        settings.database_connections,
        read_seconds=settings.read_timeout,
        wait_seconds=settings.database_timeout,
        queue_seconds=settings.queue_timeout,
    )
    engine = create_engine(settings.database, limits)
    engine.process_cache.resize(settings.cache_megabytes * MEBIBYTE)
    if tracing is not None:
        engine = TracedEngine(engine, tracing.unit)
    return Instruments(settings, cells, figures, tracing, engine, EngineFigures(engine, figures))


def _create_tracing(settings: Settings) -> Tracing | None:
    if not settings.traces:
        return None
    try:
        from diglot.server.observability.open_telemetry import OpenTelemetry  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Misconfigured("traces need the extra otel: pip install 'diglot[otel]'") from error
    return OpenTelemetry(settings.trusted_proxies, name_database(settings.database))
