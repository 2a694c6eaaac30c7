"""Rate limits: the requests of a key and of its workspace, counted once for all processes of a database.

Each key has the figures of its vendor. All keys of a workspace together have a multiple of them, so that more
keys do not buy more requests without end.

A window is fixed or sliding. A sliding window adds the count of the previous window, weighted by the share of
it that a window ending now still covers. A rejected request is not counted, so that a client that keeps
retrying gets through as soon as the window has room.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from diglot.clock import Clock, system_clock
from diglot.errors import Unavailable
from diglot.model.workspaces import Caller
from diglot.storage.access import rate_counts
from diglot.storage.access.rate_counts import NO_WORKSPACE
from diglot.storage.sql.engine import Engine, EphemeralBusyError
from diglot.storage.sql.request_counts import RateCount, RateRequest
from diglot.storage.tenant import bind_workspace

_SECOND = 1_000_000


class Rate(NamedTuple):
    """A number of requests in a number of seconds."""

    requests: int
    seconds: int = 60
    sliding: bool = False


class RateLimitState(NamedTuple):
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
    """Counts requests. `override` replaces the number of requests of every rate; 0 disables limits.

    A workspace has `workspace_rate` times the rate of a key; 0 is no limit. `Unavailable` is raised if the
    database cannot count a request, because it could not serve it either. If the counts are locked or cannot
    be written, which the engine has logged, a request is not counted: to serve it costs less than to fail it.
    """

    engine: Engine
    clock: Clock = system_clock
    override: int | None = None
    workspace_rate: int = 0

    async def consume(self, key: str, bucket: str, rate: Rate) -> RateLimitState | None:
        """Count a request without a workspace, or reject it; None if it was not counted."""
        now = self.clock()
        request = _build_request(key, bucket, rate, now)
        count = bind_workspace(NO_WORKSPACE, partial(rate_counts.count_request, request=request))
        try:
            used = await self.engine.run_ephemeral(count)
        except EphemeralBusyError:
            return None
        return _build_state(rate, used, request, now)

    async def consume_of(self, caller: Caller, bucket: str, rate: Rate) -> RateLimitState | None:
        """Count a request of a caller and of its workspace, or reject it; None if it was not counted.

        The state is that of the key, or of the workspace if that alone has to wait.
        """
        if self.override == 0:
            return None
        now = self.clock()
        of_key, shared = _find_rates(rate, self.override, self.workspace_rate)
        request = _build_request(caller.key, bucket, of_key, now, shared.requests)
        try:
            used = await rate_counts.count_of_workspace(self.engine, caller.workspace, request)
        except EphemeralBusyError:
            return None
        return _build_state(shared if used.is_shared else of_key, used, request, now)

    async def delete_old_counts(self, bucket: str, rate: Rate) -> None:
        """Delete past counts of a bucket without a workspace, because anyone can add keys to it.

        If it fails, as beside another process that deletes the same rows, the next attempt does it.
        """
        window = self.clock() // (rate.seconds * _SECOND)
        with suppress(EphemeralBusyError, Unavailable):
            delete = partial(rate_counts.delete_old, bucket=bucket, before=window - 1)
            await self.engine.run_ephemeral(bind_workspace(NO_WORKSPACE, delete))


@lru_cache(maxsize=256)
def _find_rates(rate: Rate, override: int | None, workspace_rate: int) -> tuple[Rate, Rate]:
    """Return the rate of a key and that of its workspace, given the settings; 0 requests are no limit."""
    of_key = rate if override is None else rate._replace(requests=override)
    return of_key, of_key._replace(requests=of_key.requests * workspace_rate)


def _build_request(key: str, bucket: str, rate: Rate, now: int, shared_requests: int = 0) -> RateRequest:
    window_us = rate.seconds * _SECOND
    window_number, elapsed_us = divmod(now, window_us)
    overlap_us = window_us - elapsed_us if rate.sliding else 0
    return RateRequest(key, bucket, window_number, overlap_us, window_us, rate.requests, shared_requests)


def _build_state(rate: Rate, used: RateCount, request: RateRequest, now: int) -> RateLimitState:
    reset_at = (request.window_number + 1) * request.window_us
    if used.is_counted:
        left = (
            rate.requests * request.window_us
            - used.previous * request.overlap_us
            - used.current * request.window_us
        )
        return RateLimitState(rate, max(left // request.window_us, 0), reset_at)
    wait = _compute_wait(rate, used, request)
    return RateLimitState(rate, 0, reset_at, max(1, -(-(wait or reset_at - now) // _SECOND)))


def _compute_wait(rate: Rate, used: RateCount, request: RateRequest) -> int:
    """Return the microseconds until a sliding window has room for one request, 0 for a fixed window."""
    if not rate.sliding:
        return 0
    if used.current < rate.requests and used.previous:
        # The weight of the previous window has to fall to the room that this one leaves.
        return request.overlap_us - (rate.requests - used.current - 1) * request.window_us // used.previous
    fading = request.window_us - (rate.requests - 1) * request.window_us // max(used.current, 1)
    return request.overlap_us + fading
