"""The clock, passed as an argument so that tests can set the time."""

import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], int]
# How far the clock of a caller may run ahead of ours, in microseconds.
MAX_CLOCK_AHEAD: Final = 5 * 60 * 1_000_000
FUTURE_FAULT: Final = "Must not lie in the future"


def is_in_future(instant: int, now: int) -> bool:
    """Tell whether an instant in microseconds lies in the future by any clock that a caller may have."""
    return instant > now + MAX_CLOCK_AHEAD


def system_clock() -> int:
    """Return the current time in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000
