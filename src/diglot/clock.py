"""The clock, passed as an argument so that tests can set the time."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """Return the current time in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000
