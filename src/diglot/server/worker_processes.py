"""Several worker processes on one address: granian starts them, replaces those that die, and stops them."""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from granian.constants import Interfaces
from granian.server.mp import MPServer

from diglot.server.addresses import ListenAddress, is_healthy
from diglot.server.asgi import App
from diglot.server.granian_options import STOP_SECONDS, build_options
from diglot.settings import Settings
from diglot.storage.connect import check_database

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.002
_STOP_SIGNALS: Final = (signal.SIGTERM,)


def serve(
    settings: Settings, address: ListenAddress, announce: Callable[[], None], load_app: Callable[[], App]
) -> None:
    """Serve with workers until a signal; each of them calls `load_app`."""
    asyncio.run(check_database(settings.database))
    server = Announcing(
        address,
        announce,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        **build_options(settings),
    )
    _reset_worker_signals()
    _freeze_loaded_objects()
    server.serve(target_loader=partial(_load_in_worker, load_app), wrap_loader=False)


class Announcing(MPServer):
    """The server, calling a function once it answers."""

    def __init__(self, address: ListenAddress, announce: Callable[[], None], **options: Any) -> None:
        super().__init__("diglot.app:from_environment", address.ip, address.port, **options)
        self._address = address
        self._announce = announce

    def startup(self, *arguments: Any) -> None:
        """Start the workers, then wait for their first answer beside them."""
        super().startup(*arguments)  # type: ignore[no-untyped-call]
        threading.Thread(target=self._wait, daemon=True).start()

    def _stop_workers(self) -> None:
        """Stop the workers, and wait until each is known to have ended.

        Granian looks once: a worker of which another thread is just learning that it ended seems alive to it,
        and it says that it refused to stop. What is alive after the wait here is killed without another one,
        so that a half-sent request holds a stop for `STOP_SECONDS` and a second, not for twice that time.
        """
        for worker in self.wrks:
            worker.terminate()  # type: ignore[no-untyped-call]
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


def _reset_worker_signals() -> None:
    """Have a worker end by the signal to stop until it listens itself, and leave Ctrl+C to the first process.

    What it inherits from the first process would pass over it, and the stop wait for it in vain. Ctrl+C
    goes to all processes of a terminal: a worker that hears of it twice at once, from there and from the
    first process, may wait for itself.
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
    """Keep what is loaded by now in memory once: a collection in a worker would write to each page of it."""
    gc.collect()
    gc.freeze()


def _load_in_worker(load_app: Callable[[], App]) -> App:
    """Return the app of a worker process, which ends with the process that started it.

    One that went on alone would keep the port, and nobody would stop it.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    return load_app()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
