"""Threads beside the main thread of a server process."""

import signal
import threading
from collections.abc import Callable


def start_thread(work: Callable[[], None]) -> None:
    """Run work in a daemon thread to which no signal is delivered.

    The first process of several waits in its main thread, which a signal that another thread gets does not
    wake: it would be handled much later.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        threading.Thread(target=work, daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
