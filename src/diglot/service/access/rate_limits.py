"""Rate limits: the requests of a key, counted once for all processes that share a database.

A window is fixed or sliding. A sliding window adds the count of the previous window, weighted by the share of
it that a window ending now still covers. A rejected request is not counted, so that a client that keeps
retrying gets through as soon as the window has room.
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
    """A number of requests in a number of seconds."""

    requests: int
    seconds: int = 60
    sliding: bool = False


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """The state of a rate. `reset_at` is in microseconds; `retry_after` in seconds, 0 unless rejected."""

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
    """Counts requests. `override` replaces the number of requests of every rate; 0 disables limits."""

    engine: Engine
    clock: Clock = system_clock
    override: int | None = None

    async def consume(self, key: str, bucket: str, rate: Rate) -> RateLimitState | None:
        """Count a request of a key, or reject it; None if it was not counted."""
        if self.override == 0:
            return None
        if self.override is not None:
            rate = Rate(self.override, rate.seconds, rate.sliding)
        now = self.clock()
        window_us = rate.seconds * _SECOND
        window_number, elapsed_us = divmod(now, window_us)
        overlap_us = window_us - elapsed_us if rate.sliding else 0
        request = rate_counts.RateRequest(key, bucket, window_number, overlap_us, window_us, rate.requests)
        try:
            used = await self.engine.run_ephemeral(lambda tx: rate_counts.count_request(tx, request))
        except EphemeralBusyError:
            # The counts are locked or cannot be written, which the engine has logged; serve the request,
            # because that costs less than failing it.
            return None
        return _build_state(rate, used, request, now)

    async def delete_old_counts(self, bucket: str, rate: Rate) -> None:
        """Delete the counts of past windows in a bucket, because anyone can add keys to it."""
        window = self.clock() // (rate.seconds * _SECOND)
        with suppress(EphemeralBusyError):
            await self.engine.run_ephemeral(lambda tx: rate_counts.delete_old(tx, bucket, window - 1))


def _build_state(rate: Rate, used: RateCount, request: rate_counts.RateRequest, now: int) -> RateLimitState:
    reset_at = (request.window_number + 1) * request.window_us
    if used.is_counted:
        left = (
            rate.requests * request.window_us
            - used.previous * request.overlap_us
            - used.count * request.window_us
        )
        return RateLimitState(rate, max(left // request.window_us, 0), reset_at)
    wait = _compute_wait(rate, used, request)
    return RateLimitState(rate, 0, reset_at, max(1, -(-(wait or reset_at - now) // _SECOND)))


def _compute_wait(rate: Rate, used: RateCount, request: rate_counts.RateRequest) -> int:
    """Return the microseconds until a sliding window has room for one request, 0 for a fixed window."""
    if not rate.sliding:
        return 0
    if used.count < rate.requests and used.previous:
        # The weight of the previous window has to fall to the room that this one leaves.
        return request.overlap_us - (rate.requests - used.count - 1) * request.window_us // used.previous
    fading = request.window_us - (rate.requests - 1) * request.window_us // max(used.count, 1)
    return request.overlap_us + fading
