"""Restores what a server changes in the logging of its process, for tests that run one in theirs."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restoring_logs() -> Iterator[None]:
    """Restore handlers, levels and hooks at the end of the block."""
    root, ours, hook = logging.getLogger(), logging.getLogger("diglot"), threading.excepthook
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        ours.setLevel(our_level)
        threading.excepthook = hook
        logging.captureWarnings(capture=False)
