"""The only assembly point: settings, engine, services and dialects -> an ASGI app."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.exceptions import ClientException, MethodNotAllowedException, NotFoundException
from litestar.routes import BaseRoute

from diglot.api.call import SERVICES
from diglot.api.dialect import Dialect, Surface
from diglot.api.pipeline import build_route
from diglot.api.responses import ErrorResponse
from diglot.background.scheduler import Scheduler
from diglot.background.worker import BackgroundWorker as Keeper
from diglot.clock import Clock, system_clock
from diglot.dialects.registry import DIALECTS, find_surface, get_dialect
from diglot.errors import DiglotError, MalformedRequest, MethodNotAllowed, NotFound
from diglot.membership.count import CountCache
from diglot.model.webhooks import Delivery, Webhook, WebhookMessage
from diglot.server import asgi
from diglot.server.console import docs, session
from diglot.server.console.errors import render_error
from diglot.server.metrics import CONTENT_TYPE, to_prometheus
from diglot.server.proxy.own_paths import OwnPaths
from diglot.server.proxy.upstream import UpstreamProxy
from diglot.service.access.client_keys import ClientKeys
from diglot.service.access.idempotency import Idempotency
from diglot.service.access.key_usage import KeyUsage
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.explain import Explanations
from diglot.service.audience.lists import Lists
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import Segments
from diglot.service.audience.tags import Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.services import Services
from diglot.service.webhooks import Webhooks
from diglot.settings import Settings, load_settings
from diglot.storage import workspaces
from diglot.storage.background import metrics as background_metrics
from diglot.storage.connect import create_engine
from diglot.storage.schema import revisions
from diglot.storage.sql.engine import Engine
from diglot.webhooks.allowed_targets import parse_allowed_targets
from diglot.webhooks.deliveries import Deliveries
from diglot.webhooks.sender import Sender
from diglot.webhooks.worker import DeliveryWorker

log = logging.getLogger("diglot")
_ENCODE: Final = msgspec.json.Encoder().encode
_ALLOWED_METHODS: Final = "allowed"
_PROXY: Final = "elsewhere"


def create_app(settings: Settings, *, clock: Clock = system_clock, run_background: bool = True) -> asgi.App:
    """Return the app; its lifespan opens and closes the database, which has to be migrated.

    Without `run_background` it only answers: no webhook is delivered and no background task runs.
    """
    engine = create_engine(settings.database)
    uses = KeyUsage(engine)
    workers = (_delivery_lifespan, _background_lifespan) if run_background else ()
    app = Litestar(
        route_handlers=_build_routes(settings),
        exception_handlers={Exception: _respond_with_error},
        lifespan=[
            _database_lifespan(engine, settings, uses),
            lambda app: app.state[_PROXY].open_connections(),
            *(worker(engine, clock, settings) for worker in workers),
        ],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    app.state[SERVICES] = _build_services(engine, clock, settings, uses)
    app.state[_ALLOWED_METHODS] = allowed = _allowed_methods_lookup(app)
    app.state[_PROXY] = elsewhere = _build_proxy(app, settings)
    return asgi.ServerApp(
        app,  # type: ignore[arg-type]
        allowed,
        {asgi.HEALTH_PATH: _health_page(engine), asgi.METRICS_PATH: _metrics_page(engine, clock)},
        proxy_for=elsewhere.handler_for,
        options=asgi.Options(settings.access_log, settings.body_timeout),
    )


def from_environment() -> asgi.App:
    """Return the app of a worker process, whose settings are in its environment."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    return create_app(load_settings({}, os.environ, dialects=[dialect.name for dialect in DIALECTS]))


def _build_services(engine: Engine, clock: Clock, settings: Settings, uses: KeyUsage) -> Services:
    counts = CountCache()
    keys = Keys(engine, clock, uses)
    return Services(
        segments=Segments(engine, clock, counts),
        contacts=Contacts(engine, clock, counts),
        keys=keys,
        client_keys=ClientKeys(engine, keys),
        lists=Lists(engine, clock, counts),
        events=Events(engine, clock),
        sessions=Sessions(engine, RateLimits(engine, clock), clock),
        tags=Tags(engine, clock),
        rate_limits=RateLimits(engine, clock, override=settings.rate_limit_override),
        idempotency=Idempotency(engine, clock),
        webhooks=Webhooks(engine, clock, parse_allowed_targets(settings.webhook_targets)),
        explanations=Explanations(engine, clock),
        dry_runs=DryRuns(engine, clock),
        membership_history=MembershipHistory(engine, clock),
        membership_changes=MembershipChanges(engine),
        strict=settings.strict,
    )


def _build_routes(settings: Settings) -> list[Any]:
    dialects = [_build_router(dialect, surface) for dialect in DIALECTS for surface in dialect.surfaces]
    signing_in = session.build_routes(settings.trusted_proxies, secure=settings.secure_cookies)
    return [*dialects, *signing_in, *(docs.build_routes() if settings.docs else ())]


def _build_router(dialect: Dialect, surface: Surface) -> Router:
    return Router(
        path=surface.prefix,
        route_handlers=[build_route(dialect, endpoint) for endpoint in surface.endpoints],
    )


def _database_lifespan(engine: Engine, settings: Settings, uses: KeyUsage) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        services: Services = app.state[SERVICES]
        await revisions.require_latest(settings.database)
        await engine.open()
        # What lives as long as the process need not be looked at by every collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        try:
            async with uses.flush_periodically(), services.idempotency.clean_up_periodically():
                yield
        finally:
            await engine.close()

    return lifespan


def _delivery_lifespan(engine: Engine, clock: Clock, settings: Settings) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        worker = DeliveryWorker(
            Deliveries(engine, clock),
            Sender(parse_allowed_targets(settings.webhook_targets)),
            _render_message,
        )
        engine.on_commit(worker.wake)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            await worker.stop(running)

    return lifespan


def _background_lifespan(engine: Engine, clock: Clock, settings: Settings) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        hours, days = settings.verify_every_hours, settings.history_days
        worker = Keeper(Scheduler(engine, clock, verify_every_hours=hours, history_days=days))
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            await worker.stop(running)

    return lifespan


def _render_message(webhook: Webhook, delivery: Delivery, now: int) -> WebhookMessage:
    return get_dialect(webhook.dialect).render_message(webhook, delivery, now)


def _health_page(engine: Engine) -> Callable[[], Any]:
    async def health() -> asgi.PlainResponse:
        try:
            await engine.read(workspaces.ping)
        except Exception:
            log.exception("health check: cannot read the database")
            return asgi.PlainResponse(503, "application/json", b'{"status":"database"}')
        return asgi.PlainResponse(200, "application/json", b'{"status":"ok"}')

    return health


def _metrics_page(engine: Engine, clock: Clock) -> Callable[[], Any]:
    async def metrics() -> asgi.PlainResponse:
        try:
            found = await engine.read(lambda tx: background_metrics.load(tx, clock()))
        except Exception:
            log.exception("cannot read the metrics")
            return asgi.PlainResponse(503, CONTENT_TYPE, b"")
        return asgi.PlainResponse(200, CONTENT_TYPE, to_prometheus(found))

    return metrics


def _build_proxy(app: Litestar, settings: Settings) -> UpstreamProxy:
    # The vendor's document would be of calls that go another way here, whether ours is served or not.
    documents = [tuple(path.strip("/").split("/")) for path in docs.DOCUMENT_PATHS]
    owned = OwnPaths([*map(_path_shape, app.routes), *documents])
    return UpstreamProxy(settings.upstreams, owned, settings.upstream_timeout)


def _path_shape(route: BaseRoute) -> tuple[str | None, ...]:
    """Return the parts of a route's path, None for a parameter."""
    return tuple(part if isinstance(part, str) else None for part in route.path_components)


def _allowed_methods_lookup(app: Litestar) -> Callable[[str], tuple[str, ...] | None]:
    """Return what tells the methods of a path, from the routes as they are."""
    table: list[tuple[tuple[str | None, ...], tuple[str, ...]]] = []
    for route in app.routes:
        methods = {*getattr(route, "methods", ()), "OPTIONS"}
        table.append((_path_shape(route), tuple(sorted(methods | ({"HEAD"} if "GET" in methods else set())))))

    def allowed(path: str) -> tuple[str, ...] | None:
        parts = tuple(part for part in path.split("/") if part)
        # A literal part wins over a parameter, as in routing.
        for shape, methods in sorted(table, key=lambda row: sum(part is None for part in row[0])):
            if len(shape) == len(parts) and all(
                want in (None, part) for want, part in zip(shape, parts, strict=True)
            ):
                return methods
        return None

    return allowed


def _respond_with_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer an error in the envelope of the dialect whose prefix the path is under, or in our own."""
    known = _to_domain_error(request, error)
    if not isinstance(known, DiglotError):
        request_id = request.scope.get("diglot.request_id")
        log.error("request %s failed", request_id, exc_info=known)
    answer = _choose_renderer(request.scope["path"])(known)
    return Response(
        _ENCODE(answer.body),
        status_code=answer.status,
        headers=answer.headers,
        media_type="application/json",
    )


def _to_domain_error(request: Request[Any, Any, Any], error: Exception) -> Exception:
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(request.app.state[_ALLOWED_METHODS](request.scope["path"]) or ())
    if isinstance(error, NotFoundException):
        found = find_surface(request.scope["path"])
        passed = found is not None and request.app.state[_PROXY].has_upstream(found[0].name)
        return NotFound("spelling" if passed else "route")
    if isinstance(error, ClientException):
        return MalformedRequest(error.detail)  # the Host header is at fault: nothing else is left to Litestar
    return error


def _choose_renderer(path: str) -> Callable[[Exception], ErrorResponse]:
    found = find_surface(path)
    return render_error if found is None else found[1].render_error
