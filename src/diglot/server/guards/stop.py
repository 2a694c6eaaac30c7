"""Ends a process in time, whatever its clients do, and workers with the process that started them."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Final

from diglot.server.guards import sockets

log: Final = logging.getLogger("diglot")
# When a stop ends what, as parts of its seconds. Requests whose rest has not come are given up first.
_STOP_READING: Final = 0.6
_ABORT: Final = 0.8
_EXIT: Final = 0.9


class StopDeadline:
    """Ends the connections to a port, and then the process, if a stop takes too long.

    This runs in a thread, so that a blocked event loop cannot delay it. If even threads are blocked, the
    system ends the process: by SIGALRM, whose default action needs no interpreter.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to count."""
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        threading.Thread(target=self._run, daemon=True).start()

    def cancel(self) -> None:
        """Let the process end by itself, because nothing is left to wait for."""
        self._ended.set()
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _run(self) -> None:
        steps = ((_STOP_READING, sockets.stop_reading), (_ABORT, sockets.abort))
        passed = 0.0
        for at, end in steps:
            if self._ended.wait((at - passed) * self._seconds):
                return
            passed = at
            for connection in sockets.list_connections(self._port):
                end(connection)
        if not self._ended.wait((_EXIT - passed) * self._seconds):
            log.warning("requests or tasks did not end within %g seconds", self._seconds)
            os._exit(0)  # as a killed worker does; every acknowledged write is stored


class ParentPipe:
    """A pipe that tells workers of the end, or the stop, of the process that started them.

    The first process alone has the end for writing, which the system closes when that process dies.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.register_at_fork(after_in_child=self.announce_stop)

    def announce_stop(self) -> None:
        """Close the end for writing; in the first process this tells all workers to stop."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def on_stop(self, call: Callable[[], None]) -> None:
        """In a worker: call a function in a thread once the first process stops or has died."""

        def wait() -> None:
            os.read(self._reading, 1)
            call()

        threading.Thread(target=wait, daemon=True).start()
