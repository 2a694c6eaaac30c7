"""A progress bar on stderr: the phase, its progress, its speed, and the remaining time."""

import sys
import time
from types import TracebackType
from typing import Self

WIDTH = 24
# A terminal redraws the bar in place; other outputs get a line now and then.
SECONDS_DRAWN = 0.2
SECONDS_LOGGED = 20.0


def format_duration(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class Progress:
    """One phase of known length."""

    def __init__(self, phase: str, total: int) -> None:
        self._phase = phase
        self._total = max(total, 1)
        self._done = 0
        self._started = self._drawn = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._terminal:
            self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()
        if self._terminal:
            sys.stderr.write("\n")
            sys.stderr.flush()

    def step(self, more: int = 1) -> None:
        """Add a number of completed steps."""
        self._done += more
        if time.monotonic() - self._drawn >= (SECONDS_DRAWN if self._terminal else SECONDS_LOGGED):
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        spent = self._drawn - self._started
        rate = self._done / max(spent, 0.001)
        bar = "#" * round(WIDTH * min(self._done / self._total, 1))
        figures = f"{self._done:,} of {self._total:,}, {rate:,.1f}/s, {format_duration(spent)} so far"
        if 0 < self._done < self._total:
            figures += f", {format_duration((self._total - self._done) / rate)} left"
        line = f"{self._phase:<34.34} [{bar:<{WIDTH}}] {figures}"
        sys.stderr.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        sys.stderr.flush()
