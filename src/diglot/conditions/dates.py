"""Dates and instants: their grammar, and what they mean in a time zone (semantics 13, 14, 29).

A stored condition keeps a date as it was written, so that a change of the time zone changes what it means.
Instants are integers: microseconds since 1970-01-01T00:00:00Z.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import tree

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
# An export formats millions of instants.
_MINUTES: Final = tuple(f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(1440))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Near the ends of the calendar there may be no day before or after, and no zone changes there.
_FIRST_CHECKED_DAY: Final = date(2, 1, 1)
_LAST_CHECKED_DAY: Final = date(9998, 12, 31)
# The length of a date without a time.
_DAY_LENGTH: Final = 10
# The last day of the calendar has no next day.
_END_OF_TIME: Final = 2**62

_BEYOND_MICROSECONDS: Final = re.compile(r"(\.[0-9]{6})[0-9]+")
_DATE_PATTERN = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_CANONICAL_PATTERN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{6})?Z"
)


class ParsedDate(msgspec.Struct, frozen=True):
    """A date or an instant as parsed.

    `local_us` counts microseconds of the wall clock since 1970; `offset_us` is microseconds east of UTC, None
    if the text leaves it to the time zone; `is_date_only` is a date without a time.
    """

    day: date
    local_us: int
    offset_us: int | None
    is_date_only: bool

    def to_instant(self, zone: ZoneInfo) -> int:
        """Return the instant in microseconds; a date without a time is the start of its day."""
        if self.offset_us is not None:
            return self.local_us - self.offset_us
        return start_of_day(self.day, zone) if self.is_date_only else _local_to_instant(self.local_us, zone)


def parse(text: str) -> ParsedDate | None:
    """Parse a date or an instant; return None if the text has another form or is not on the calendar."""
    # Most texts have no hyphen here, which costs a sixth of a failed match to see.
    if text[4:5] != "-":
        return None
    return _parse_day(text) if len(text) == _DAY_LENGTH else _parse_text(text)


def parse_instant(text: str, zone: ZoneInfo) -> int | None:
    """Return the instant of a date or an instant in a time zone, or None if it has another form."""
    # The form of most instants, of which a class in C makes one in a sixth of the time.
    if text[-1:] == "Z" and _CANONICAL_PATTERN.fullmatch(text):
        try:
            since = datetime.fromisoformat(text) - _EPOCH
        except ValueError:
            return None
        return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds
    parsed = parse(text)
    return None if parsed is None else parsed.to_instant(zone)


def _parse_text(text: str) -> ParsedDate | None:
    match = _DATE_PATTERN.fullmatch(text)
    if match is None:
        return None
    year, month, number, hour, minute, second, fraction, offset = match.groups()
    try:
        day = date(int(year), int(month), int(number))
    except ValueError:
        return None
    local = (day.toordinal() - _EPOCH_ORDINAL) * DAY
    if hour is None:
        return ParsedDate(day, local, None, is_date_only=True)
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    east = _parse_offset(offset)
    if offset is not None and east is None:
        return None
    local += (int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * SECOND
    return ParsedDate(day, local + int((fraction or "").ljust(6, "0")), east, is_date_only=False)


# Contacts share the days that they mention, so that an import parses most of them once.
_parse_day: Final = lru_cache(maxsize=4096)(_parse_text)


def parse_to_microsecond(text: str) -> ParsedDate | None:
    """Parse an instant, truncated to microseconds because some clients send finer fractions."""
    return parse(_BEYOND_MICROSECONDS.sub(r"\1", text))


def _parse_offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (1 if text[0] == "+" else -1) * (hours * 3600 + minutes * 60) * SECOND


def _local_to_instant(local: int, zone: ZoneInfo) -> int:
    if zone.key == "UTC":
        return local
    days, rest = divmod(local, DAY)
    wall = datetime.fromordinal(days + _EPOCH_ORDINAL) + timedelta(microseconds=rest)
    # fold=0 takes the first of a repeated hour. A skipped midnight becomes the instant of the skip, at which
    # that day begins.
    shift = wall.replace(tzinfo=zone).utcoffset()
    assert shift is not None
    return local - shift // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone: ZoneInfo) -> int:
    """Return the first instant that has a calendar date in a time zone."""
    begin = _local_to_instant((day.toordinal() - _EPOCH_ORDINAL) * DAY, zone)
    if not _FIRST_CHECKED_DAY < day < _LAST_CHECKED_DAY or local_date(begin - 1, zone) < day <= local_date(
        begin, zone
    ):
        return begin
    # The clock skipped this midnight, so the day began at the skip, which bisection finds.
    before, at = begin - DAY, begin
    while at - before > 1:
        middle = (before + at) // 2
        before, at = (before, middle) if local_date(middle, zone) >= day else (middle, at)
    return at


def day_span(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first instant of a calendar day in a time zone, and the first after it."""
    begin = start_of_day(day, zone)
    return begin, _END_OF_TIME if day == date.max else start_of_day(day + timedelta(days=1), zone)


def local_date(now: int, zone: ZoneInfo) -> date:
    """Return the calendar day of an instant in a time zone."""
    return (_EPOCH + timedelta(microseconds=now)).astimezone(zone).date()


def operand_to_instant(operand: tree.Date, zone: ZoneInfo) -> int:
    """Return the instant of an operand in a time zone; a date without a time is the start of its day."""
    if isinstance(operand, tree.Instant):
        return operand.value
    parsed = parse(operand.value)
    assert parsed is not None
    return parsed.to_instant(zone)


def operand_to_span(operand: tree.Date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first instant that equals an operand in a time zone, and the first after it."""
    if isinstance(operand, tree.Day):
        return day_span(date.fromisoformat(operand.value), zone)
    instant = operand_to_instant(operand, zone)
    return instant, instant + 1


def format_instant(instant: int) -> str:
    """Return the canonical text of an instant: UTC, with a fraction only if it is not 0."""
    days, rest = divmod(instant, DAY)
    seconds, fraction = divmod(rest, SECOND)
    ordinal = days + _EPOCH_ORDINAL
    if not 1 <= ordinal <= date.max.toordinal():
        # An offset shifted the first or last day of the calendar out of it.
        return _format_outside_calendar(instant)
    minute, second = divmod(seconds, 60)
    return f"{_format_day(ordinal)}{_MINUTES[minute]}{second:02}{f'.{fraction:06}' if fraction else ''}Z"


@lru_cache(maxsize=8192)
def _format_day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def format_local(local: int) -> str:
    """Return the canonical text of microseconds of the wall clock, which lie on the calendar."""
    return format_instant(local).removesuffix("Z")


def _format_outside_calendar(instant: int) -> str:
    shift = 23 * 3600 + 59 * 60
    east = instant < 0
    inner = format_instant(instant + shift * SECOND) if east else format_instant(instant - shift * SECOND)
    return f"{inner[:-1]}{'+' if east else '-'}23:59"
