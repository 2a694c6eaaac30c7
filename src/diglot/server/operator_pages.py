"""Pages for the operator: `/health`, `/ready` and `/metrics`. None needs a key."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final

import msgspec

from diglot.clock import Clock
from diglot.errors import DatabaseAway
from diglot.model.metrics import Metrics
from diglot.server.asgi import HEALTH_PATH, METRICS_PATH, READY_PATH, PlainResponse
from diglot.server.observability import process_metrics, stored_metrics
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.engine_figures import EngineFigures
from diglot.server.observability.exposition import CONTENT_TYPE, single, to_prometheus
from diglot.server.observability.readiness import OK, Readiness
from diglot.server.observability.summary import Measured, Summary, count_figures
from diglot.storage.background import metrics as background_metrics
from diglot.storage.background.nodes import Nodes
from diglot.storage.connect import measure_files, measure_free_bytes, name_database, name_library

log: Final = logging.getLogger("diglot")
Page = Callable[[], Awaitable[PlainResponse]]
# Where the app keeps them for the console.
OPERATOR_PAGES: Final = "operator_pages"
_JSON: Final = "application/json"
_DEADLINE_SECONDS: Final = 2.0
# Sums over all workspaces cost more the more there are, and several scrapers may ask.
REMEMBER_SECONDS: Final = 5.0


@dataclass(slots=True)
class OperatorPages:
    """What the pages show."""

    engine_figures: EngineFigures
    clock: Clock
    url: str
    cells: SharedCells
    readiness: Readiness
    _reading: asyncio.Task[Metrics | None] | None = field(default=None)
    _stored: Metrics | None = field(default=None)
    _stored_at: float = field(default=0.0)
    _is_complete: bool = field(default=True)
    _is_up: bool = field(default=True)

    def by_path(self) -> dict[str, Page]:
        """Return the functions that render the pages."""
        return {
            HEALTH_PATH: self.show_health,
            READY_PATH: self.show_readiness,
            METRICS_PATH: self.show_metrics,
        }

    async def show_health(self) -> PlainResponse:
        """Say that the process is alive, which the answer itself proves."""
        return PlainResponse(200, _JSON, b'{"status":"ok"}')

    async def show_readiness(self) -> PlainResponse:
        """Say whether the server should get requests, and the state of each part."""
        states = await self.readiness.find_states()
        is_ready = all(state == OK for state in states.values())
        body = {"status": "ready" if is_ready else "not ready", **states}
        return PlainResponse(200 if is_ready else 503, _JSON, msgspec.json.encode(body))

    async def show_metrics(self) -> PlainResponse:
        """Show all metrics; without those of the database if it does not answer."""
        stored = await self._get_stored()
        self.engine_figures.copy()
        more = (await asyncio.to_thread(self._measure)).list_samples()
        is_up = single(process_metrics.DATABASE_UP, self._is_up)
        is_whole = stored is not None and stored.is_complete
        is_complete = single(process_metrics.DATABASE_COMPLETE, is_whole)
        from_database = [] if stored is None else stored_metrics.list_samples(stored)
        samples = [*(single(family, value) for family, value in from_database), is_up, is_complete, *more]
        return PlainResponse(200, CONTENT_TYPE, await asyncio.to_thread(to_prometheus, self.cells, samples))

    async def summarize(self) -> Summary:
        """Return what `/metrics` and `/ready` show, for people."""
        states, stored = await self.readiness.find_states(), await self._get_stored()
        self.engine_figures.copy()
        measured = await asyncio.to_thread(self._measure)
        counted = await asyncio.to_thread(count_figures, self.cells)
        return Summary(states, stored, self._is_up, measured, counted)

    async def _get_stored(self) -> Metrics | None:
        if self._stored is not None and time.monotonic() < self._stored_at + REMEMBER_SECONDS:
            return self._stored
        # Requests that arrive meanwhile share one read, because nobody needs a key for this page.
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_stored(), context=Context())
        return await asyncio.shield(self._reading)

    async def _read_stored(self) -> Metrics | None:
        stored, is_up = None, True
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                stored = await self.engine_figures.engine.read(
                    lambda tx: background_metrics.load(tx, self.clock())
                )
        except Exception as error:  # noqa: BLE001 - the page says so
            # Only a change is logged, because anybody may ask for the page as often as they like.
            if self._is_complete:
                reason = str(error) or type(error).__name__
                log.warning("the database does not answer the metrics page: %s", reason)
            is_up = await self._answers_after(error)
            stored = await self._read_nodes() if is_up else None
        finally:
            self._reading = None
        self._is_complete, self._is_up = stored is not None and stored.is_complete, is_up
        self._stored, self._stored_at = stored, time.monotonic()
        return stored

    async def _read_nodes(self) -> Metrics | None:
        """Return the sums over the nodes that answer, None if there are none."""
        engine = self.engine_figures.engine
        try:
            return await background_metrics.load_from_nodes(engine, Nodes(engine, self.clock), self.clock)
        except Exception:  # noqa: BLE001 - the page says that they are not complete
            return None

    async def _answers_after(self, error: Exception) -> bool:
        """Tell whether the database answers, although an error says that a part of it may be away."""
        if not isinstance(error, (DatabaseAway, TimeoutError)):
            return False
        try:
            await self.engine_figures.engine.ping()
        except Exception:  # noqa: BLE001 - it does not answer
            return False
        return True

    def _measure(self) -> Measured:
        """Measure the processes and the files."""
        processes = self.cells.live_processes()
        sums = process_metrics.measure_processes(processes)
        labels = process_metrics.build_labels(name_library(self.url) or name_database(self.url))
        free = _find_free_bytes(self.url)
        files = {} if free is None else measure_files(self.url)
        return Measured(len(processes), labels, sums, free, files)


def _find_free_bytes(url: str) -> int | None:
    try:
        return measure_free_bytes(url)
    except OSError:
        return None
