"""Restores what a server changes in the logging of its process, for tests that run one in theirs."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restoring_logs() -> Iterator[None]:
    """Restore handlers, levels and hooks at the end of the block.

    Within the block granian's logger is as a process begins, whatever an earlier test configured.
    """
    root, ours, hook = logging.getLogger(), logging.getLogger("diglot"), threading.excepthook
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    granian = logging.getLogger("_granian")
    its_handlers, propagates, its_level = list(granian.handlers), granian.propagate, granian.level
    granian.handlers[:], granian.propagate = [], True
    granian.setLevel(logging.NOTSET)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        ours.setLevel(our_level)
        granian.handlers[:], granian.propagate = its_handlers, propagates
        granian.setLevel(its_level)
        threading.excepthook = hook
        logging.captureWarnings(capture=False)
