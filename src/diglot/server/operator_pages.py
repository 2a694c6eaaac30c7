"""Pages for the operator: health and metrics."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from diglot.clock import Clock
from diglot.errors import Unavailable
from diglot.server.asgi import HEALTH_PATH, METRICS_PATH, PlainResponse
from diglot.server.metrics import CONTENT_TYPE, to_prometheus
from diglot.storage.background import metrics as background_metrics
from diglot.storage.sql.engine import Engine

log: Final = logging.getLogger("diglot")
Page = Callable[[], Awaitable[PlainResponse]]


def build_pages(engine: Engine, clock: Clock) -> dict[str, Page]:
    """Return the functions that render the pages, by path."""
    return {HEALTH_PATH: _health_page(engine), METRICS_PATH: _metrics_page(engine, clock)}


def _health_page(engine: Engine) -> Page:
    async def health() -> PlainResponse:
        try:
            await engine.ping()
        except Unavailable:
            return PlainResponse(503, "application/json", b'{"status":"database"}')
        except Exception:
            log.exception("health check: cannot read the database")
            return PlainResponse(503, "application/json", b'{"status":"database"}')
        return PlainResponse(200, "application/json", b'{"status":"ok"}')

    return health


def _metrics_page(engine: Engine, clock: Clock) -> Page:
    async def metrics() -> PlainResponse:
        try:
            figures = await engine.read(lambda tx: background_metrics.load(tx, clock()))
        except Unavailable:
            return PlainResponse(503, CONTENT_TYPE, b"")
        except Exception:
            log.exception("cannot read the metrics")
            return PlainResponse(503, CONTENT_TYPE, b"")
        return PlainResponse(200, CONTENT_TYPE, to_prometheus(figures))

    return metrics
