"""Assembles the ASGI app from settings, engine, services and dialects; no other module does."""

import gc
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from litestar import Litestar, Router

from diglot.api.call import SERVICES
from diglot.api.dialect import Dialect, Surface
from diglot.api.pipeline import build_route
from diglot.background.scheduler import Scheduler
from diglot.background.worker import work_in_background
from diglot.caches import MEBIBYTE
from diglot.clock import Clock, system_clock
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.membership.count import CountCache
from diglot.model.webhooks import Delivery, Webhook, WebhookMessage
from diglot.server import asgi
from diglot.server.console import docs, session
from diglot.server.errors import ALLOWED_METHODS, FORWARDED_DIALECTS, respond_with_error
from diglot.server.operator_pages import Page, build_pages
from diglot.server.proxy.own_paths import OwnPaths
from diglot.server.routes import allowed_methods_lookup, path_shape
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
from diglot.setting_sources import load_settings
from diglot.settings import Settings
from diglot.storage.connect import create_engine
from diglot.storage.schema import revisions
from diglot.storage.sql.engine import Engine
from diglot.webhooks.allowed_targets import parse_allowed_targets
from diglot.webhooks.worker import deliver_in_background

if TYPE_CHECKING:
    from diglot.server.proxy.upstream import UpstreamProxy

log = logging.getLogger("diglot")
_PROXY: Final = "proxy"
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(settings: Settings, *, clock: Clock = system_clock, run_background: bool = True) -> asgi.App:
    """Return the app; its lifespan opens and closes the database, which has to be migrated.

    Without `run_background` it only answers requests: it delivers no webhook and runs no background task.
    """
    engine = create_engine(settings.database)
    engine.process_cache.resize(settings.cache_megabytes * MEBIBYTE)
    uses = KeyUsage(engine)
    forwarded = frozenset(name for name, url in settings.upstreams.items() if url)
    app = Litestar(
        route_handlers=_build_routes(settings),
        exception_handlers={Exception: respond_with_error},
        lifespan=[
            _database_lifespan(engine, settings, uses),
            *([_proxy_lifespan] if forwarded else []),
            *(_background_lifespans(engine, clock, settings) if run_background else []),
        ],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    app.state[SERVICES] = _build_services(engine, clock, settings, uses)
    app.state[ALLOWED_METHODS] = allowed_methods_lookup(app.routes)
    app.state[FORWARDED_DIALECTS] = forwarded
    app.state[_PROXY] = _build_proxy(app, settings) if forwarded else None
    return _wrap(app, build_pages(engine, clock), settings)


def _wrap(app: Litestar, pages: dict[str, Page], settings: Settings) -> asgi.App:
    proxy = app.state[_PROXY]
    return asgi.ServerApp(
        app,  # type: ignore[arg-type]
        app.state[ALLOWED_METHODS],
        pages,
        proxy_for=proxy.handler_for if proxy is not None else lambda scope: None,
        options=asgi.Options(settings.access_log, settings.body_timeout),
    )


def load_app(settings: Settings) -> asgi.App:
    """Return the app of a server process, and configure logging."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    return create_app(settings)


def from_environment() -> asgi.App:
    """Return the app for other servers, such as the `granian` command; settings are in the environment."""
    return load_app(load_settings({}, os.environ, dialects=[dialect.name for dialect in DIALECTS]))


def _build_services(engine: Engine, clock: Clock, settings: Settings, uses: KeyUsage) -> Services:
    counts = CountCache()
    keys, limits = Keys(engine, clock, uses), settings.workspace_limits
    return Services(
        segments=Segments(engine, clock, counts, limits),
        contacts=Contacts(engine, clock, counts, limits),
        keys=keys,
        client_keys=ClientKeys(engine, keys, limits),
        lists=Lists(engine, clock, counts, limits),
        events=Events(engine, clock),
        sessions=Sessions(engine, RateLimits(engine, clock), clock),
        tags=Tags(engine, clock),
        rate_limits=RateLimits(
            engine, clock, override=settings.rate_limit_override, workspace_rate=settings.workspace_rate
        ),
        idempotency=Idempotency(engine, clock),
        webhooks=Webhooks(engine, clock, parse_allowed_targets(settings.webhook_targets), limits),
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


def _database_lifespan(engine: Engine, settings: Settings, uses: KeyUsage) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        services: Services = app.state[SERVICES]
        await revisions.require_latest(settings.database)
        await engine.open()
        _begin_collecting()
        try:
            async with uses.flush_periodically(), services.idempotency.clean_up_periodically():
                yield
        finally:
            await engine.close()

    return lifespan


def _begin_collecting() -> None:
    """Enable garbage collection, which skips objects that live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


def _background_lifespans(engine: Engine, clock: Clock, settings: Settings) -> list[Lifespan]:
    targets = parse_allowed_targets(settings.webhook_targets)
    hours, days = settings.verify_every_hours, settings.history_days
    return [
        lambda _: deliver_in_background(engine, clock, targets, _render_message),
        lambda _: work_in_background(Scheduler(engine, clock, verify_every_hours=hours, history_days=days)),
    ]


def _render_message(webhook: Webhook, delivery: Delivery, now: int) -> WebhookMessage:
    return get_dialect(webhook.dialect).render_message(webhook, delivery, now)


def _build_proxy(app: Litestar, settings: Settings) -> "UpstreamProxy":
    from diglot.server.proxy.upstream import UpstreamProxy  # noqa: PLC0415 - httpx costs a start 0.12 s

    # Never proxy the vendor's OpenAPI document: it describes calls that this server answers itself.
    documents = [tuple(path.strip("/").split("/")) for path in docs.DOCUMENT_PATHS]
    owned = OwnPaths([*map(path_shape, app.routes), *documents])
    return UpstreamProxy(settings.upstreams, owned, settings.upstream_timeout)


def _proxy_lifespan(app: Litestar) -> AbstractAsyncContextManager[None]:
    proxy: UpstreamProxy = app.state[_PROXY]
    return proxy.open_connections()
