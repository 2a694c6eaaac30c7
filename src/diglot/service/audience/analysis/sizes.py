"""The size of a segment over time, by hours or days of the workspace's time zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.conditions import dates
from diglot.errors import InvalidInput
from diglot.membership.analysis import sizes
from diglot.membership.analysis.sizes import Bucket
from diglot.membership.read import effective_now
from diglot.model.segments import Segment
from diglot.service.audience.analysis.buckets import Interval, find_beginning, iterate_beginnings, span_of
from diglot.service.audience.membership_history import HISTORY_NOT_BEGUN
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.unit_of_work import reads
from diglot.storage.membership import log
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

# Two years by day, six weeks by hour.
MAX_BUCKETS: Final = 1_000
# The buckets of an answer if the request does not say from when.
_DEFAULT_BUCKETS: Final = {Interval.HOUR: 24, Interval.DAY: 30}
_SINCE, _BEFORE = ("since",), ("before",)


class Period(msgspec.Struct, frozen=True):
    """What to show: hours or days, from an instant (microseconds) to before another, None for the default.

    Without a begin there are at most `buckets`, None for the default, as far back as the history goes.
    """

    interval: Interval
    begin: int | None
    end: int | None
    buckets: int | None = None


class SizesOverTime(msgspec.Struct, frozen=True):
    """The buckets of a segment in a time zone, after the change `entry`; the last one may not be over yet."""

    segment: Segment
    interval: Interval
    zone: ZoneInfo
    buckets: Sequence[Bucket]
    entry: int


@dataclass(frozen=True, slots=True)
class SegmentSizes:
    """The use case of sizes over time; it reads one snapshot."""

    engine: Engine
    clock: Clock = system_clock

    @reads
    async def list_sizes(self, tenant: Tenant, id_: str | None, period: Period) -> SizesOverTime:
        """Return the size of a segment at the end of each hour or day, and who entered and left in it.

        Raise `NotFound`, or `InvalidInput` for a time that the history does not have, or too many buckets.
        """
        segment, state = await require_segment_with_state(tenant, id_)
        now = effective_now(state, self.clock())
        known_since = await _find_known_since(tenant, segment, state)
        boundaries = _list_boundaries(period, known_since, now, state)
        buckets = await sizes.load_sizes(tenant, segment, boundaries, state)
        if buckets[-1].end > now:
            buckets[-1] = replace(buckets[-1], end=now)
        return SizesOverTime(segment, period.interval, state.zone, buckets, state.last_entry)


async def _find_known_since(tenant: Tenant, segment: Segment, state: WorkspaceState) -> int:
    """Return the instant at which the history of a segment begins, with its first members."""
    since = segment.since_entry
    if since is None:
        raise InvalidInput.at(_SINCE, HISTORY_NOT_BEGUN)
    if since <= state.history_entry:
        return segment.created_at
    return max(segment.created_at, await log.load_happened_at(tenant, since))


def _list_boundaries(period: Period, known_since: int, now: int, state: WorkspaceState) -> list[int]:
    """Return the beginnings of all buckets, and the end of the last one."""
    end = now + 1 if period.end is None else min(period.end, now + 1)
    begin = _find_begin(period, end, _find_oldest(period.interval, known_since, state), now, state.zone)
    boundaries: list[int] = []
    for boundary in iterate_beginnings(period.interval, begin, state.zone):
        boundaries.append(boundary)
        if boundary >= end:
            break
        if len(boundaries) > MAX_BUCKETS:
            raise InvalidInput.at(_SINCE, f"Asks for more than {MAX_BUCKETS:,} {period.interval}s")
    return boundaries


def _find_begin(period: Period, end: int, oldest: int, now: int, zone: ZoneInfo) -> int:
    """Return the beginning of the first bucket; raise `InvalidInput` for a time that is not known."""
    told = f"The history of this segment begins with the {period.interval} of {dates.format_instant(oldest)}"
    interval = period.interval
    if period.begin is None:
        if end <= oldest:
            raise InvalidInput.at(_BEFORE, told)
        buckets = period.buckets or _DEFAULT_BUCKETS[interval]
        earliest = end - 1 - (buckets - 1) * span_of(interval)
        return max(find_beginning(interval, earliest, zone), oldest)
    if period.begin > now:
        raise InvalidInput.at(_SINCE, "Lies in the future")
    if period.begin >= end:
        raise InvalidInput.at(_BEFORE, "Is not after the beginning")
    begin = find_beginning(interval, period.begin, zone)
    if begin < oldest:
        raise InvalidInput.at(_SINCE, told)
    return begin


def _find_oldest(interval: Interval, known_since: int, state: WorkspaceState) -> int:
    """Return the beginning of the oldest bucket of which everything is known.

    A segment has no members before its history begins, so its first bucket is whole. Of a bucket in which
    the history of the workspace begins, a part has expired.
    """
    oldest = find_beginning(interval, known_since, state.zone)
    if state.history_entry == 0 or oldest > state.history_since:
        return oldest
    begun = find_beginning(interval, state.history_since, state.zone)
    beginnings = iterate_beginnings(interval, begun, state.zone)
    return next(beginning for beginning in beginnings if beginning > state.history_since)
