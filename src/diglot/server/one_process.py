"""Serves in one process: granian runs inside the event loop of the app.

This takes 25 MiB less than one worker next to the process that started it, but nothing inside replaces a
process that died: the service manager has to restart it.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from diglot.errors import Misconfigured
from diglot.server.addresses import POLL_SECONDS, ListenAddress, bind, is_healthy
from diglot.server.asgi import App, Message, Scope
from diglot.server.granian_options import STOP_SECONDS, build_options
from diglot.server.guarded_app import GuardedApp
from diglot.server.guards.stop import StopDeadline
from diglot.server.observability.cells import SharedCells
from diglot.settings import Settings
from diglot.storage.connect import is_embedded, prepare_database

log = logging.getLogger("diglot")
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def serve(
    settings: Settings,
    address: ListenAddress,
    announce: Callable[[], None],
    load_app: Callable[[SharedCells], App],
    cells: SharedCells,
) -> None:
    """Serve until a signal; raise `Misconfigured` if the app cannot start."""
    # The app's lifespan enables collection, because objects created during start-up are kept and no garbage.
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            deadline = StopDeadline(address.port, STOP_SECONDS)
            runner.run(_Serving(settings, address, announce, load_app, cells, deadline).run())
    finally:
        gc.enable()


class _Server(Server):
    """A granian server that reports an address in use in one line."""

    def __init__(self, app: App, address: ListenAddress, **options: Any) -> None:
        super().__init__(app, address.ip, address.port, **options)
        self._address = address

    def _init_shared_socket(self) -> None:
        bind(self._address, super()._init_shared_socket)


@dataclass(frozen=True, slots=True)
class _Serving:
    """One run of the server. `stopping` is set by a stop signal, `ready` once the app has started.

    `interrupted` is set by Ctrl+C or by a second signal: the server stops without draining.
    """

    settings: Settings
    address: ListenAddress
    announce: Callable[[], None]
    load_app: Callable[[SharedCells], App]
    cells: SharedCells
    deadline: StopDeadline
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Serve until a stop signal, which also ends a start that is still waiting for its database."""
        _listen_for_signals(self.stopping, self.interrupted)
        serving = asyncio.create_task(self._start())
        stopped = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not serving.done() and not self.ready.is_set():
                serving.cancel()
                self.deadline.start()
            with suppress(asyncio.CancelledError):
                await serving
        finally:
            stopped.cancel()
            self.deadline.cancel()
            _ignore_signals()

    async def _start(self) -> None:
        if is_embedded(self.settings.database):
            await prepare_database(self.settings.database)
        app = GuardedApp(self.load_app(self.cells), self.address.port, self.settings)
        # The lifespan runs here, because granian only logs its error and then serves without it.
        async with _running_lifespan(app):
            self.ready.set()
            await self._serve(app)

    async def _serve(self, app: App) -> None:
        server = _Server(
            app,
            self.address,
            interface=Interfaces.ASGINL,
            # A warning would say at each start that granian's embedded server is experimental.
            **build_options(self.settings) | {"log_level": LogLevels.error},
        )
        serving = asyncio.create_task(server.serve())
        announcing = asyncio.create_task(_announce_once_healthy(self.address, self.announce))
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
        announcing.cancel()
        if not self.stopping.is_set():
            await serving
            raise RuntimeError("the server ended without a signal")
        await self._drain()
        self.deadline.start()
        server.stop()  # type: ignore[no-untyped-call]
        await serving

    async def _drain(self) -> None:
        """Have `/ready` say that the server stops, and answer requests until load balancers know."""
        self.cells.drain()
        seconds = self.settings.drain_seconds
        if seconds and not self.interrupted.is_set():
            log.info("draining for %d seconds", seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.interrupted.wait(), seconds)


def _listen_for_signals(stopping: asyncio.Event, interrupted: asyncio.Event) -> None:
    """Have a stop signal set an event; Ctrl+C and a repeated signal set the other one, too."""

    def stop(number: signal.Signals) -> None:
        if stopping.is_set() or number == signal.SIGINT:
            interrupted.set()
        stopping.set()

    # Not with the loop's own handlers: to remove one, the loop restores for a moment what kills the process.
    loop = asyncio.get_running_loop()
    for each in _STOP_SIGNALS:
        signal.signal(each, lambda number, _: loop.call_soon_threadsafe(stop, signal.Signals(number)))
    # The server has no files to open again, and the end of a terminal is no order to stop.
    signal.signal(signal.SIGHUP, lambda *_: None)


def _ignore_signals() -> None:
    """Ignore repeated signals from here to the end of the process, because they would kill it."""
    for number in (*_STOP_SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


async def _announce_once_healthy(address: ListenAddress, announce: Callable[[], None]) -> None:
    while not await asyncio.to_thread(is_healthy, address):  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(POLL_SECONDS)
    # In a thread, because it may ask this very server.
    await asyncio.to_thread(announce)


@asynccontextmanager
async def _running_lifespan(app: App) -> AsyncIterator[None]:
    """Start an app and stop it at the end; raise `Misconfigured` if it cannot start."""
    messages: asyncio.Queue[Message] = asyncio.Queue()
    started = asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set_result(None)

    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.3"}, "state": {}}
    messages.put_nowait({"type": "lifespan.startup"})
    running = asyncio.ensure_future(app(scope, messages.get, send))
    await asyncio.wait((running, started), return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        started.cancel()
        _raise_start_error(running.exception())
    try:
        yield
    finally:
        messages.put_nowait({"type": "lifespan.shutdown"})
        await running


def _raise_start_error(error: BaseException | None) -> None:
    while isinstance(error, BaseExceptionGroup):  # Litestar opens its event emitter in a task group
        error = error.exceptions[0]
    if isinstance(error, Misconfigured):
        raise error
    raise Misconfigured(f"the server cannot start: {type(error).__name__}: {error}") from error
