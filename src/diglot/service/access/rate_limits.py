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
from diglot.storage.access.rate_counts import RateCount
from diglot.storage.sql.engine import Engine, EphemeralBusyError

log = logging.getLogger("diglot")
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int = 60
    sliding: bool = False


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """What is left of a rate. `reset_at` is in microseconds; `retry_after` in seconds, 0 unless refused."""

    rate: Rate
    remaining: int
    reset_at: int
    retry_after: int = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether the request has to wait."""
        return self.retry_after > 0


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Counts requests. `every` replaces the number of requests of each rate; 0 counts nothing."""

    engine: Engine
    clock: Clock = system_clock
    override: int | None = None

    async def consume(self, key: str, bucket: str, rate: Rate) -> RateLimitState | None:
        """Count a request of a key, or refuse it; None where nothing is counted."""
        if self.override == 0:
            return None
        if self.override is not None:
            rate = Rate(self.override, rate.seconds, rate.sliding)
        now = self.clock()
        whole = rate.seconds * _SECOND
        window, elapsed = divmod(now, whole)
        rest = whole - elapsed if rate.sliding else 0
        asked = rate_counts.RateRequest(key, bucket, window, rest, whole, rate.requests)
        try:
            used = await self.engine.run_ephemeral(lambda tx: rate_counts.count_request(tx, asked))
        except EphemeralBusyError:
            # Another process holds the counts: better one request too many than an answer withheld.
            log.warning("rate limit counts are locked: request not counted")
            return None
        return _build_state(rate, used, asked, now)

    async def delete_old_counts(self, bucket: str, rate: Rate) -> None:
        """Delete the counts of a bucket that no answer depends on any more: it is asked by anybody."""
        window = self.clock() // (rate.seconds * _SECOND)
        with suppress(EphemeralBusyError):
            await self.engine.run_ephemeral(lambda tx: rate_counts.delete_old(tx, bucket, window - 1))


def _build_state(rate: Rate, used: RateCount, asked: rate_counts.RateRequest, now: int) -> RateLimitState:
    reset_at = (asked.window_number + 1) * asked.window_us
    if used.is_counted:
        left = (
            rate.requests * asked.window_us - used.previous * asked.overlap_us - used.count * asked.window_us
        )
        return RateLimitState(rate, max(left // asked.window_us, 0), reset_at)
    wait = _compute_wait(rate, used, asked)
    return RateLimitState(rate, 0, reset_at, max(1, -(-(wait or reset_at - now) // _SECOND)))


def _compute_wait(rate: Rate, used: RateCount, asked: rate_counts.RateRequest) -> int:
    """Return the microseconds until a sliding window has room for one request, 0 for a fixed window."""
    if not rate.sliding:
        return 0
    if used.count < rate.requests and used.previous:
        # The window before has to fade to what this one leaves free.
        return asked.overlap_us - (rate.requests - used.count - 1) * asked.window_us // used.previous
    fading = asked.window_us - (rate.requests - 1) * asked.window_us // max(used.count, 1)
    return asked.overlap_us + fading
