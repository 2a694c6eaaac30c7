"""How long a receiver asks to be left alone (`Retry-After`, RFC 9110): seconds, or an instant."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

_SECOND: Final = 1_000_000
# Nobody is left alone for longer, whatever is asked.
MAX_WAIT: Final = 3_600 * _SECOND
_SECONDS_PATTERN: Final = re.compile(r"[0-9]+", re.ASCII)
_MAX_TEXT_LENGTH: Final = 100


def parse(written: str | None, now: int) -> int:
    """Return the microseconds asked for, at most an hour; 0 where nothing is asked, or nothing sane."""
    if written is None or len(written) > _MAX_TEXT_LENGTH:
        return 0
    if _SECONDS_PATTERN.fullmatch(written):
        return min(int(written) * _SECOND, MAX_WAIT)
    try:
        until = parsedate_to_datetime(written)
        # A date without a zone is in UTC, as every date of HTTP.
        instant = round(until.replace(tzinfo=until.tzinfo or UTC).timestamp()) * _SECOND
    except (ValueError, OverflowError):
        return 0
    return min(max(instant - now, 0), MAX_WAIT)
