"""Warnings in a bounded rate, because a client without a key can cause as many as it likes."""

import logging
import time
from typing import Final

SECONDS: Final = 1.0


class BoundedLog:
    """A logger that writes a warning of each kind at most once a second; the next line counts the others.

    Kinds are few: no client chooses them.
    """

    def __init__(self, logger: logging.Logger, seconds: float = SECONDS) -> None:
        self._logger = logger
        self._seconds = seconds
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def record(self, kind: str, message: str) -> None:
        """Log a warning, unless one of its kind was logged a moment ago."""
        now = time.monotonic()
        if now - self._logged_at.get(kind, -self._seconds) < self._seconds:
            self._unlogged[kind] = self._unlogged.get(kind, 0) + 1
            return
        self._logged_at[kind] = now
        unlogged = self._unlogged.pop(kind, 0)
        more = f" ({unlogged} more like this were not logged)" if unlogged else ""
        self._logger.warning("%s%s", message, more)
