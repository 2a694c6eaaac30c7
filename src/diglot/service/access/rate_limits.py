"""How often a key may ask: one count for all processes that serve a database.

A window is fixed, or slides: then the one before it counts too, by the share of it that a window of the same
length ending now still covers. A refused request is not counted, so that whoever keeps asking gets through
as soon as there is room.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass

from diglot.clock import Clock, system_clock
from diglot.storage.access import rate_counts
from diglot.storage.access.rate_counts import Used
from diglot.storage.sql.engine import Busy, Engine

log = logging.getLogger("diglot")
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int = 60
    sliding: bool = False


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate. `reset_at` is in microseconds; `retry_after` in seconds, 0 unless refused."""

    rate: Rate
    remaining: int
    reset_at: int
    retry_after: int = 0

    @property
    def refused(self) -> bool:
        """Whether the request has to wait."""
        return self.retry_after > 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts requests. `every` replaces the number of requests of each rate; 0 counts nothing."""

    engine: Engine
    clock: Clock = system_clock
    every: int | None = None

    async def take(self, key: str, bucket: str, rate: Rate) -> Allowance | None:
        """Count a request of a key, or refuse it; None where nothing is counted."""
        if self.every == 0:
            return None
        if self.every is not None:
            rate = Rate(self.every, rate.seconds, rate.sliding)
        now = self.clock()
        whole = rate.seconds * _SECOND
        window, elapsed = divmod(now, whole)
        rest = whole - elapsed if rate.sliding else 0
        asked = rate_counts.Asked(key, bucket, window, rest, whole, rate.requests)
        try:
            used = await self.engine.fleeting(lambda tx: rate_counts.take(tx, asked))
        except Busy:
            # Another process holds the counts: better one request too many than an answer withheld.
            log.warning("the counts of requests are locked: a request goes uncounted")
            return None
        return _allowance(rate, used, asked, now)

    async def forget_old(self, bucket: str, rate: Rate) -> None:
        """Delete the counts of a bucket that no answer depends on any more: it is asked by anybody."""
        window = self.clock() // (rate.seconds * _SECOND)
        with suppress(Busy):
            await self.engine.fleeting(lambda tx: rate_counts.forget(tx, bucket, window - 1))


def _allowance(rate: Rate, used: Used, asked: rate_counts.Asked, now: int) -> Allowance:
    reset_at = (asked.window + 1) * asked.whole
    if used.taken:
        left = rate.requests * asked.whole - used.previous * asked.rest - used.count * asked.whole
        return Allowance(rate, max(left // asked.whole, 0), reset_at)
    wait = _wait(rate, used, asked)
    return Allowance(rate, 0, reset_at, max(1, -(-(wait or reset_at - now) // _SECOND)))


def _wait(rate: Rate, used: Used, asked: rate_counts.Asked) -> int:
    """Return the microseconds until a sliding window has room for one request, 0 for a fixed window."""
    if not rate.sliding:
        return 0
    if used.count < rate.requests and used.previous:
        # The window before has to fade to what this one leaves free.
        return asked.rest - (rate.requests - used.count - 1) * asked.whole // used.previous
    fading = asked.whole - (rate.requests - 1) * asked.whole // max(used.count, 1)
    return asked.rest + fading
