"""What an engine could not do: counted by kind, and logged in a bounded rate."""

import logging
import time
from typing import Final

from diglot.errors import Unavailable

log: Final = logging.getLogger("diglot.database")
# A kind of failure is logged at most this often, because an outage fails every request.
LOG_SECONDS: Final = 1.0


def renew(error: Unavailable) -> Unavailable:
    """Return an equal failure, because each raise of the same exception would lengthen its traceback."""
    return type(error)(*error.args)


class Failures:
    """The failures of an engine since its start, by `Unavailable.kind`.

    Whoever catches an `Unavailable` need not log it, because the engine that raised it has.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def record(self, error: Unavailable) -> Unavailable:
        """Count and log a failure; return it, to be raised."""
        self.note(error.kind, str(error))
        return error

    def note(self, kind: str, reason: str) -> None:
        """Count a failure, and log it unless one of its kind was logged a moment ago."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        now = time.monotonic()
        if now - self._logged_at.get(kind, -LOG_SECONDS) < LOG_SECONDS:
            self._unlogged[kind] = self._unlogged.get(kind, 0) + 1
            return
        self._logged_at[kind] = now
        unlogged = self._unlogged.pop(kind, 0)
        more = f" ({unlogged} more like this were not logged)" if unlogged else ""
        log.warning("database %s: %s%s", kind.replace("_", " "), reason, more)
