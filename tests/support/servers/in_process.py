"""The app in process, with a clock that tests move: the server of HTTP tests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from diglot.api.dialect import Dialect
from diglot.app import create_app
from diglot.dialects.registry import get_dialect
from diglot.server.observability.cells import SharedCells
from diglot.service.access.keys import Keys
from diglot.settings import Settings
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine


@dataclass
class ManualClock:
    """The clock of an app under test, in microseconds."""

    now: int = 0


@dataclass
class Beside:
    """An engine beside that of an app, as operators' commands have; it opens when it is needed first."""

    url: str
    _engine: Engine | None = None

    async def engine(self) -> Engine:
        """Return the open engine."""
        if self._engine is None:
            opened = create_engine(self.url)
            await opened.open()
            self._engine = opened
        return self._engine

    async def close(self) -> None:
        """Close the engine if it is open."""
        if self._engine is not None:
            await self._engine.close()
        self._engine = None


@dataclass
class Server:
    """A running app: `client` reaches it, `app` is called directly, its clock says `now` (microseconds).

    Tests that share an app have separate workspaces: `apart` is the prefix of their names.
    """

    url: str
    client: httpx.AsyncClient = field(init=False)
    app: Any = None
    clock: ManualClock = field(default_factory=ManualClock)
    apart: str = ""
    beside: Beside = field(init=False)

    def __post_init__(self) -> None:
        self.beside = Beside(self.url)

    @property
    def now(self) -> int:
        """The time of the app's clock."""
        return self.clock.now

    @now.setter
    def now(self, instant: int) -> None:
        self.clock.now = instant

    def for_test(self, number: int, now: int) -> "Server":
        """Return the same app with other workspaces and a reset clock, for a test of a module."""
        self.now = now
        result = Server(self.url, self.app, self.clock, f"{number} ")
        result.client, result.beside = self.client, self.beside
        return result

    async def key(self, dialect: str, workspace: str, scopes: tuple[str, ...] = ()) -> str:
        """Create a key through the operator's use case."""
        keys = Keys(await self.beside.engine(), lambda: self.now)
        created = await keys.create(get_dialect(dialect).key_format, self.apart + workspace, scopes)
        # The clock may stand still, and then only ids of different milliseconds have an order.
        await asyncio.sleep(0.001)
        return created


def idle_scope(dialect: Dialect) -> str:
    """Return a scope of the vendor's that opens no call of Diglot."""
    needed = {operation.scope for _, operation in dialect.operations}
    may = dialect.scopes_allow
    return next(
        scope
        for scope in dialect.key_format.scopes
        if not any(may(frozenset({scope}), each) for each in needed)
    )


def bearer(key: str) -> Mapping[str, str]:
    """Return the header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Run the lifespan of an ASGI app."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.create_task(app(scope, inbox.get, outbox.put))
    for event in ("startup", "shutdown"):
        await inbox.put({"type": f"lifespan.{event}"})
        answer = await outbox.get()
        assert answer["type"] == f"lifespan.{event}.complete", answer
        if event == "startup":
            try:
                yield
            except BaseException:
                await inbox.put({"type": "lifespan.shutdown"})
                await running
                raise
    await running


@asynccontextmanager
async def serving(
    url: str,
    *,
    now: int = 0,
    rate_limits: str = "off",
    cells: SharedCells | None = None,
    setup_token: str | None = None,
    **more: Any,
) -> AsyncIterator[Server]:
    """Serve a migrated database in process; requests are not counted unless a test wants it.

    Nothing is sent to webhooks, because the contents must not change by themselves. `cells` is what the
    server shares with other processes, `setup_token` what it would have printed.
    """
    server = Server(url, clock=ManualClock(now))
    settings = Settings(database=url, rate_limits=rate_limits, **more)
    app = create_app(
        settings, clock=lambda: server.now, run_background=False, cells=cells, setup_token=setup_token
    )
    server.app = app
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://diglot") as client:
        server.client = client
        try:
            yield server
        finally:
            await server.beside.close()
