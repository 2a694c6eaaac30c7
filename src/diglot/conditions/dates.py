"""Dates and instants: the one grammar, and what a day means in a time zone (semantics 13, 14).

Instants are integers: microseconds since 1970-01-01T00:00:00Z.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Zones change far from the ends of the calendar, where a day before or after may not exist.
_CHECKED_FROM: Final = date(2, 1, 1)
_CHECKED_TO: Final = date(9998, 12, 31)
# After the last day of the calendar there is no other.
_NO_END: Final = 2**62

_FINER: Final = re.compile(r"(\.[0-9]{6})[0-9]+")
_GRAMMAR = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A date or an instant as written.

    `bare` is a date without a time; `local` counts microseconds of the wall clock since 1970;
    `offset` is microseconds east of UTC, None where the text leaves it to the zone.
    """

    day: date
    local: int
    offset: int | None
    bare: bool

    def instant(self, zone: ZoneInfo) -> int:
        """Return the instant meant; a bare date is the instant that its day begins in the zone."""
        if self.offset is not None:
            return self.local - self.offset
        return day_begins(self.day, zone) if self.bare else _in_zone(self.local, zone)


def read(text: str) -> Written | None:
    """Read a date or an instant; None when the text is not of the grammar or not on the calendar."""
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        return None
    year, month, number, hour, minute, second, fraction, offset = found.groups()
    try:
        day = date(int(year), int(month), int(number))
    except ValueError:
        return None
    local = (day.toordinal() - _EPOCH_ORDINAL) * DAY
    if hour is None:
        return Written(day, local, None, bare=True)
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    east = _offset(offset)
    if offset is not None and east is None:
        return None
    local += (int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * SECOND
    return Written(day, local + int((fraction or "").ljust(6, "0")), east, bare=False)


def received(text: str) -> Written | None:
    """Read when something happened, of which no more is kept than the microsecond; clocks count finer."""
    return read(_FINER.sub(r"\1", text))


def _offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (1 if text[0] == "+" else -1) * (hours * 3600 + minutes * 60) * SECOND


def _in_zone(local: int, zone: ZoneInfo) -> int:
    days, rest = divmod(local, DAY)
    wall = datetime.fromordinal(days + _EPOCH_ORDINAL) + timedelta(microseconds=rest)
    # fold=0: of a repeated hour the first one; a skipped midnight becomes the instant of the skip,
    # which is when that day begins.
    shift = wall.replace(tzinfo=zone).utcoffset()
    assert shift is not None
    return local - shift // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def day_begins(day: date, zone: ZoneInfo) -> int:
    """Return the first instant that carries a calendar date in a zone."""
    begin = _in_zone((day.toordinal() - _EPOCH_ORDINAL) * DAY, zone)
    if not _CHECKED_FROM < day < _CHECKED_TO or today(begin - 1, zone) < day <= today(begin, zone):
        return begin
    # The clock jumped over this midnight from before it to after it: the day began at the jump.
    before, at = begin - DAY, begin
    while at - before > 1:
        middle = (before + at) // 2
        before, at = (before, middle) if today(middle, zone) >= day else (middle, at)
    return at


def day_span(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the instants from which (included) to which (excluded) a calendar day lasts in a zone."""
    begin = day_begins(day, zone)
    return begin, _NO_END if day == date.max else day_begins(day + timedelta(days=1), zone)


def today(now: int, zone: ZoneInfo) -> date:
    """Return the calendar day on which an instant falls in a zone."""
    return (_EPOCH + timedelta(microseconds=now)).astimezone(zone).date()


def written(instant: int) -> str:
    """Return the canonical text of an instant: UTC, with a fraction only where there is one."""
    days, rest = divmod(instant, DAY)
    seconds, fraction = divmod(rest, SECOND)
    ordinal = days + _EPOCH_ORDINAL
    if not 1 <= ordinal <= date.max.toordinal():
        # The first and last day of the calendar shifted out of it by an offset.
        return _outside(instant)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{date.fromordinal(ordinal).isoformat()}T{clock}{f'.{fraction:06}' if fraction else ''}Z"


def _outside(instant: int) -> str:
    shift = 23 * 3600 + 59 * 60
    east = instant < 0
    inner = written(instant + shift * SECOND) if east else written(instant - shift * SECOND)
    return f"{inner[:-1]}{'+' if east else '-'}23:59"
