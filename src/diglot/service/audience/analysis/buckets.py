"""Hours and days in a time zone, as boundaries between buckets."""

import enum
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates
from diglot.conditions.dates import DAY, SECOND

_HOUR: Final = 3_600 * SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Interval(enum.StrEnum):
    """The length of a bucket, by the clock of the workspace."""

    HOUR = "hour"
    DAY = "day"


def find_beginning(interval: Interval, instant: int, zone: ZoneInfo) -> int:
    """Return the beginning of the hour or the day that holds an instant."""
    if interval is Interval.DAY:
        return dates.start_of_day(dates.local_date(instant, zone), zone)
    beginning = instant - _local(instant, zone) % _HOUR
    if _local(beginning, zone) % _HOUR == 0:
        return beginning
    # The clock was moved by a part of an hour since: the hour began with the change.
    return _find_change(beginning, instant, zone)


def iterate_beginnings(interval: Interval, first: int, zone: ZoneInfo) -> Iterator[int]:
    """Yield the beginnings of hours or days from one of them on, without an end."""
    while True:
        yield first
        first = _find_next(interval, first, zone)


def _find_next(interval: Interval, beginning: int, zone: ZoneInfo) -> int:
    if interval is Interval.DAY:
        return dates.day_span(dates.local_date(beginning, zone), zone)[1]
    return beginning + _HOUR - _local(beginning, zone) % _HOUR


def _find_change(before: int, after: int, zone: ZoneInfo) -> int:
    """Return the instant between two at which the clock was moved."""
    old = _local(before, zone) - before
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _local(middle, zone) - middle == old else (before, middle)
    return after


def _local(instant: int, zone: ZoneInfo) -> int:
    """Return the microseconds of the wall clock since 1970."""
    offset = (_EPOCH + timedelta(microseconds=instant)).astimezone(zone).utcoffset()
    assert offset is not None
    return instant + offset // timedelta(microseconds=1)


def span_of(interval: Interval) -> int:
    """Return the usual length of a bucket in microseconds."""
    return DAY if interval is Interval.DAY else _HOUR
