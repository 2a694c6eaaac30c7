"""Formats numbers and instants for responses.

A page of contacts has hundreds of instants, so formatted days are cached and times of day come from tables.
"""

from datetime import date
from functools import lru_cache
from typing import Final

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_LAST_DAY: Final = date.max.toordinal() - _EPOCH_ORDINAL
_FIRST_DAY: Final = 1 - _EPOCH_ORDINAL
_MINUTES: Final = tuple(f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(1440))
_SECONDS: Final = tuple(f"{second:02}Z" for second in range(60))
_MILLISECONDS: Final = tuple(f"{part:03}Z" for part in range(1000))


@lru_cache(maxsize=8192)
def _format_day(days: int) -> str:
    # An offset may move an instant outside of the years 1 to 9999, which RFC 3339 cannot express.
    return date.fromordinal(min(max(days, _FIRST_DAY), _LAST_DAY) + _EPOCH_ORDINAL).isoformat()


def whole_if_integral(number: float | None) -> float | None:
    """Return a number as an integer if it has no fraction."""
    return int(number) if number is not None and number == int(number) else number


def format_seconds(instant: int | None) -> str | None:
    """Return an instant as RFC 3339 in whole seconds, `...T10:01:44Z`."""
    if instant is None:
        return None
    days, second = divmod(instant // 1_000_000, 86_400)
    return _format_day(days) + _MINUTES[second // 60] + _SECONDS[second % 60]


def format_milliseconds(instant: int | None) -> str | None:
    """Return an instant as RFC 3339 in milliseconds, `...T10:01:44.000Z`."""
    if instant is None:
        return None
    days, part = divmod(instant // 1_000, 86_400_000)
    second, fraction = divmod(part, 1000)
    return f"{_format_day(days)}{_MINUTES[second // 60]}{second % 60:02}.{_MILLISECONDS[fraction]}"
