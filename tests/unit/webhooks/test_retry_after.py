"""The pause that a receiver requests."""

import pytest

from diglot.webhooks.retry_after import MAX_WAIT, parse

# Sunday, the 1st of March 2026, 12:00:00 UTC.
NOW = 1_772_366_400_000_000
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("120", 120),
        ("3600", 3_600),
        ("3601", 3_600),
        ("9" * 90, 3_600),
        ("9" * 5_000, 0),
        ("-1", 0),
        ("1.5", 0),
        ("٣", 0),
        ("soon", 0),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300),
        ("Sunday, 01-Mar-26 12:05:00 GMT", 300),
        ("Sun Mar  1 12:05:00 2026", 300),
        ("Sun, 01 Mar 2026 11:59:59 GMT", 0),
        ("Mon, 02 Mar 2026 12:00:00 GMT", 3_600),
        ("Sun, 31 Feb 2026 12:05:00 GMT", 0),
        ("Sun, 01 Mar 99999 12:05:00 GMT", 0),
    ],
)
def test_the_requested_pause(written: str | None, seconds: int) -> None:
    """It is in seconds or an HTTP date, an hour at most; another value requests nothing."""
    assert parse(written, NOW) == seconds * SECOND
    assert parse(written, NOW) <= MAX_WAIT
