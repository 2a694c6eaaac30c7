"""Assembles the ASGI app from settings, engine, services and dialects; no other module does."""

import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from litestar import Litestar, Router

from diglot.api.call import SERVICES
from diglot.api.dialect import Dialect, Surface
from diglot.api.imports.contact_file import open_contact_file
from diglot.api.pipeline import build_route
from diglot.background.import_worker import import_in_background
from diglot.background.scheduler import Scheduler
from diglot.background.share_leases import ShareLeases
from diglot.background.worker import work_in_background
from diglot.clock import Clock, system_clock
from diglot.console import mount
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.membership.count import CountCache
from diglot.model.webhooks import Delivery, Webhook, WebhookMessage
from diglot.server import asgi
from diglot.server.console import docs, session
from diglot.server.direct_calls import DirectCalls
from diglot.server.errors import ALLOWED_METHODS, FORWARDED_DIALECTS, find_renderer, respond_with_error
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.families import SIZE
from diglot.server.observability.instruments import Instruments, create_instruments
from diglot.server.observability.log_format import configure_logging
from diglot.server.observability.readiness import Readiness, list_parts
from diglot.server.operator_pages import OPERATOR_PAGES, OperatorPages, Page
from diglot.server.proxy.own_paths import OwnPaths
from diglot.server.routes import allowed_methods_lookup, path_shape
from diglot.service.access.client_keys import ClientKeys
from diglot.service.access.first_visit import FirstVisit
from diglot.service.access.idempotency import Idempotency
from diglot.service.access.key_usage import KeyUsage
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.analysis.analyses import build_analyses
from diglot.service.audience.attribute_keys import AttributeKeys
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.explain import Explanations
from diglot.service.audience.lists import Lists
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import Segments
from diglot.service.audience.tags import Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.contacts.person_requests import PersonRequests
from diglot.service.contacts.received_webhooks import ReceivedWebhooks
from diglot.service.exports.exports import Exports
from diglot.service.imports.jobs import MEBIBYTE, Imports
from diglot.service.imports.turns import ImportTurns
from diglot.service.services import Services
from diglot.service.webhooks import Webhooks
from diglot.setting_sources import load_settings
from diglot.settings import Settings
from diglot.storage.connect import open_for_serving
from diglot.storage.sql.engine import Engine
from diglot.webhooks.allowed_targets import parse_allowed_targets
from diglot.webhooks.deliveries import Deliveries
from diglot.webhooks.worker import deliver_in_background

if TYPE_CHECKING:
    from diglot.server.proxy.upstream import UpstreamProxy

_PROXY: Final = "proxy"
# How many new objects make a collection, and how many collections one of older objects.
GC_THRESHOLDS: Final = (1_000, 5_000, 100)
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    run_background: bool = True,
    cells: SharedCells | None = None,
    setup_token: str | None = None,
) -> asgi.App:
    """Return the app; its lifespan opens and closes the database, which has to be migrated.

    Without `run_background` it only answers requests: it delivers no webhook and runs no background task.
    `cells` is what it shares with the other processes of the server, None if it is the only one.
    `setup_token` is what a person proves with who sets up a new server in a browser.
    """
    instruments = create_instruments(settings, cells or SharedCells(SIZE))
    uses = KeyUsage(instruments.engine)
    forwarded = frozenset(name for name, url in settings.upstreams.items() if url)
    lifespans = [
        *_server_lifespans(instruments, uses),
        *([_proxy_lifespan] if forwarded else []),
        *(_background_lifespans(clock, instruments) if run_background else []),
    ]
    app = _build_litestar(settings, lifespans)
    keys = Keys(instruments.engine, clock, uses)
    app.state[SERVICES] = _build_services(instruments, clock, keys, setup_token)
    app.state[ALLOWED_METHODS] = allowed_methods_lookup(app.routes)
    app.state[FORWARDED_DIALECTS] = forwarded
    app.state[_PROXY] = _build_proxy(app, settings) if forwarded else None
    app.state[OPERATOR_PAGES] = pages = _build_pages(clock, instruments)
    return _wrap(app, pages.by_path(), instruments)


def _build_litestar(settings: Settings, lifespans: list[Lifespan]) -> Litestar:
    return Litestar(
        route_handlers=_build_routes(settings),
        exception_handlers={Exception: respond_with_error},
        lifespan=lifespans,
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )


def _build_pages(clock: Clock, instruments: Instruments) -> OperatorPages:
    settings, cells = instruments.settings, instruments.cells
    parts = list_parts(settings.database, instruments.engine.ping, settings.min_free_mib)
    readiness = Readiness(parts, lambda: cells.is_draining)
    return OperatorPages(instruments.engine_figures, clock, settings.database, cells, readiness)


def _wrap(app: Litestar, pages: dict[str, Page], instruments: Instruments) -> asgi.App:
    proxy = app.state[_PROXY]
    return asgi.ServerApp(
        app,  # type: ignore[arg-type]
        app.state[ALLOWED_METHODS],
        pages,
        proxy_for=proxy.handler_for if proxy is not None else lambda scope: None,
        options=_build_options(app, instruments),
    )


def _build_options(app: Litestar, instruments: Instruments) -> asgi.Options:
    settings = instruments.settings
    return asgi.Options(
        body_seconds=settings.body_timeout,
        send_seconds=settings.send_timeout,
        trusted_proxies=settings.trusted_proxies,
        secure_cookies=settings.secure_cookies,
        renderer_for=find_renderer,
        watch=instruments.watch_requests(),
        calls=DirectCalls(app.routes, app.state[SERVICES], find_renderer),
    )


def load_app(
    settings: Settings, cells: SharedCells | None = None, *, setup_token: str | None = None
) -> asgi.App:
    """Return the app of a server process, and configure logging."""
    configure_logging(settings)
    return create_app(settings, cells=cells, setup_token=setup_token)


def from_environment() -> asgi.App:
    """Return the app for other servers, such as the `granian` command; settings are in the environment."""
    return load_app(load_settings({}, os.environ, dialects=[dialect.name for dialect in DIALECTS]))


def _build_services(instruments: Instruments, clock: Clock, keys: Keys, token: str | None) -> Services:
    engine, settings = instruments.engine, instruments.settings
    counts, limits = CountCache(), settings.workspace_limits
    return Services(
        segments=Segments(engine, clock, counts, limits),
        contacts=Contacts(engine, clock, counts, limits),
        keys=keys,
        client_keys=ClientKeys(engine, keys, limits),
        lists=Lists(engine, clock, counts, limits),
        events=Events(engine, clock),
        sessions=Sessions(engine, RateLimits(engine, clock), clock),
        tags=Tags(engine, clock),
        attribute_keys=AttributeKeys(engine),
        rate_limits=_build_rate_limits(engine, clock, settings),
        idempotency=Idempotency(engine, clock),
        webhooks=Webhooks(engine, clock, parse_allowed_targets(settings.webhook_targets), limits),
        received_webhooks=ReceivedWebhooks(engine, clock),
        explanations=Explanations(engine, clock),
        dry_runs=DryRuns(engine, clock, counts),
        membership_history=MembershipHistory(engine, clock),
        membership_changes=MembershipChanges(engine),
        **build_analyses(engine, clock, limits),
        person_requests=PersonRequests(engine, clock),
        imports=Imports(engine, clock, settings.max_import_mib * MEBIBYTE),
        exports=Exports(engine, clock),
        first_visit=FirstVisit(engine, clock, token),
        strict=settings.strict,
    )


def _build_rate_limits(engine: Engine, clock: Clock, settings: Settings) -> RateLimits:
    override, together = settings.rate_limit_override, settings.workspace_rate
    return RateLimits(engine, clock, override=override, workspace_rate=together)


def _build_routes(settings: Settings) -> list[Any]:
    dialects = [_build_router(dialect, surface) for dialect in DIALECTS for surface in dialect.surfaces]
    signing_in = session.build_routes(settings.trusted_proxies)
    pages = mount.build_routes(settings)
    console = mount.CONSOLE_PATH if settings.console else None
    manual = docs.build_routes(console=console) if settings.docs else ()
    return [*dialects, *signing_in, *pages, *manual]


class _OwnRouter(Router):
    """A router of one app, which takes it as it is; a copy of all handlers would cost a third of the app."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _build_router(dialect: Dialect, surface: Surface) -> Router:
    return _OwnRouter(
        path=surface.prefix,
        route_handlers=[build_route(dialect, endpoint) for endpoint in surface.endpoints],
    )


def _server_lifespans(instruments: Instruments, uses: KeyUsage) -> list[Lifespan]:
    database = _database_lifespan(instruments.engine, instruments.settings, uses)
    return [database, lambda _: instruments.watching()]


def _database_lifespan(engine: Engine, settings: Settings, uses: KeyUsage) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        del app
        await open_for_serving(engine, settings.database)
        _begin_collecting()
        try:
            async with uses.flush_periodically():
                yield
        finally:
            await engine.close()

    return lifespan


def _begin_collecting() -> None:
    """Enable garbage collection, which skips objects that live as long as the process.

    Each collection stops all threads. One of the newest 100,000 objects takes 20 to 140 ms, one of 5,000
    takes 1 to 5 ms, one of 1,000 takes 1 ms at most, and in sum they cost the same. So they are small, and
    older objects are visited seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def _background_lifespans(clock: Clock, instruments: Instruments) -> list[Lifespan]:
    engine, settings, figures = instruments.engine.in_background(), instruments.settings, instruments.figures
    targets = parse_allowed_targets(settings.webhook_targets)
    leases = ShareLeases(engine, clock)
    scheduler = Scheduler(
        leases.sweeper,
        verify_every_hours=settings.verify_every_hours,
        history_days=settings.history_days,
        on_evaluation=figures.count_evaluation,
    )
    deliveries = Deliveries(leases.sweeper)
    turns = ImportTurns(engine, clock, open_contact_file, settings.max_contacts)
    return [
        lambda _: deliver_in_background(deliveries, targets, _render_message, figures.count_attempt),
        lambda _: work_in_background(scheduler, leases),
        lambda app: import_in_background(leases.sweeper, turns.run_turn, app.state[SERVICES].imports.begun),
    ]


def _render_message(webhook: Webhook, delivery: Delivery, now: int) -> WebhookMessage:
    return get_dialect(webhook.dialect).render_message(webhook, delivery, now)


def _build_proxy(app: Litestar, settings: Settings) -> "UpstreamProxy":
    from diglot.server.proxy.upstream import ProxyOptions, UpstreamProxy  # noqa: PLC0415 - httpx costs a start 0.12 s

    # Never proxy the vendor's OpenAPI document: it describes calls that this server answers itself.
    documents = [tuple(path.strip("/").split("/")) for path in docs.DOCUMENT_PATHS]
    owned = OwnPaths([*map(path_shape, app.routes), *documents])
    options = ProxyOptions(
        silence_seconds=settings.upstream_timeout,
        exchange_seconds=settings.exchange_timeout,
        trusted_proxies=settings.trusted_proxies,
    )
    return UpstreamProxy(settings.upstreams, owned, options)


def _proxy_lifespan(app: Litestar) -> AbstractAsyncContextManager[None]:
    proxy: UpstreamProxy = app.state[_PROXY]
    return proxy.open_connections()
