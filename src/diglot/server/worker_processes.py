"""Serves in several worker processes on one address, which granian starts, replaces and stops."""

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from granian.constants import Interfaces
from granian.server.mp import MPServer

from diglot.server.addresses import ListenAddress, bind, is_healthy
from diglot.server.asgi import App
from diglot.server.granian_options import STOP_SECONDS, build_options
from diglot.server.guarded_app import GuardedApp
from diglot.server.guards.stop import ParentPipe, StopDeadline
from diglot.server.observability.cells import SharedCells
from diglot.server.threads import start_thread
from diglot.settings import Settings
from diglot.storage.connect import check_database

log = logging.getLogger("diglot")
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.002
_STOP_SIGNALS: Final = (signal.SIGTERM,)


def serve(
    settings: Settings,
    address: ListenAddress,
    announce: Callable[[], None],
    load_app: Callable[[SharedCells], App],
    cells: SharedCells,
) -> None:
    """Serve with workers until a signal; each worker calls `load_app`."""
    cells.share_with_forks()
    asyncio.run(check_database(settings.database))
    parent = ParentPipe()
    server = Announcing(
        address,
        announce,
        parent,
        partial(_drain, cells, settings.drain_seconds),
        interface=Interfaces.ASGI,
        workers=settings.workers,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        **build_options(settings),
    )
    _reset_worker_signals()
    _freeze_loaded_objects()
    load = partial(_load_in_worker, partial(load_app, cells), address.port, settings, parent)
    server.serve(target_loader=load, wrap_loader=False)


class Announcing(MPServer):
    """A granian server that calls one function once it responds, and another before it stops."""

    def __init__(
        self,
        address: ListenAddress,
        announce: Callable[[], None],
        parent: ParentPipe,
        drain: Callable[[threading.Event], None] = lambda interrupted: None,
        **options: Any,
    ) -> None:
        super().__init__("diglot.app:from_environment", address.ip, address.port, **options)
        self._address = address
        self._announce = announce
        self._parent = parent
        self._drain = drain
        self._interrupted = threading.Event()
        self._must_drain = False

    def startup(self, *arguments: Any) -> None:
        """Start the workers, then wait for the first healthy response in a thread."""
        super().startup(*arguments)  # type: ignore[no-untyped-call]
        start_thread(self._wait)

    def _init_shared_socket(self) -> None:
        bind(self._address, super()._init_shared_socket)

    def signal_handler_interrupt(self, *arguments: Any, **named: Any) -> None:
        """Stop; SIGTERM drains before, and a second signal ends that. Ctrl+C does not wait."""
        if self.interrupt_signal:
            self._interrupted.set()
        self._must_drain = arguments[:1] == (signal.SIGTERM,)
        super().signal_handler_interrupt(*arguments, **named)  # type: ignore[no-untyped-call]

    def shutdown(self, exit_code: int = 0) -> None:
        """Let requests come until load balancers know, then stop."""
        if self._must_drain:
            self._drain(self._interrupted)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        """Stop the workers, and wait until each has ended.

        granian checks only once: a worker that ended just now still looks alive to it, and it reports that
        the worker refused to stop. Each worker ends itself within `STOP_SECONDS`; one that does not is
        killed without another wait. The workers stop by the pipe and not by signals, because granian blocks
        a worker that gets a third one.
        """
        for worker in self.wrks:
            worker.interrupt_by_parent = True  # its end is expected
        self._parent.announce_stop()
        until = time.monotonic() + STOP_SECONDS
        for worker in self.wrks:
            while worker.inner.exitcode is None and time.monotonic() < until:
                worker.inner.join(_POLL_SECONDS)
                time.sleep(_POLL_SECONDS)
        self.workers_kill_timeout = 1
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        pause = threading.Event()
        while time.monotonic() < until and not self.main_loop_interrupt.is_set():
            if is_healthy(self._address):
                return self._announce()
            pause.wait(0.02)
        return None


def _drain(cells: SharedCells, seconds: float, interrupted: threading.Event) -> None:
    """Have `/ready` say that the server stops, and wait."""
    cells.drain()
    if seconds:
        log.info("draining for %d seconds", seconds)
        interrupted.wait(seconds)


def _reset_worker_signals() -> None:
    """Let workers end on SIGTERM until they install handlers, and leave Ctrl+C to the first process.

    The inherited signal handlers would ignore SIGTERM, and shutdown would hang. Ctrl+C reaches all processes
    of a terminal; a worker that gets two signals at once, from the terminal and the first process, may
    deadlock.
    """

    def begin() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS),
        after_in_child=begin,
    )


def _freeze_loaded_objects() -> None:
    """Freeze loaded objects, so that a garbage collection in a worker does not write to, and copy, pages."""
    gc.collect()
    gc.freeze()


def _load_in_worker(load_app: Callable[[], App], port: int, settings: Settings, parent: ParentPipe) -> App:
    """Return the app in a worker process, which ends with the process that started it.

    A worker that outlived it would keep the port, and nothing would stop it.
    """
    parent.on_stop(partial(_stop, StopDeadline(port, STOP_SECONDS)))
    return GuardedApp(load_app(), port, settings)


def _stop(deadline: StopDeadline) -> None:
    deadline.start()
    os.kill(os.getpid(), signal.SIGTERM)
