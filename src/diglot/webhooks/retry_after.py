"""Parses `Retry-After` (RFC 9110, section 10.2.3): seconds, or an HTTP date."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

_SECOND: Final = 1_000_000
# The longest pause in microseconds, because a receiver may send an absurd value.
MAX_WAIT: Final = 3_600 * _SECOND
_SECONDS_PATTERN: Final = re.compile(r"[0-9]+", re.ASCII)
_MAX_TEXT_LENGTH: Final = 100


def parse(value: str | None, now: int) -> int:
    """Return the requested pause in microseconds, at most an hour; 0 for no header or an invalid one."""
    if value is None or len(value) > _MAX_TEXT_LENGTH:
        return 0
    if _SECONDS_PATTERN.fullmatch(value):
        return min(int(value) * _SECOND, MAX_WAIT)
    try:
        until = parsedate_to_datetime(value)
        # An HTTP date without a zone is in UTC.
        instant = round(until.replace(tzinfo=until.tzinfo or UTC).timestamp()) * _SECOND
    except (ValueError, OverflowError):
        return 0
    return min(max(instant - now, 0), MAX_WAIT)
