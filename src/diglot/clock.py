"""The clock, passed in so that tests can set it."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """Return now in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000
