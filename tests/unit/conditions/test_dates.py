"""Dates: the grammar, and the starts of days in zones that skip midnight."""

from datetime import date
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest

from diglot.conditions import dates
from support import oracle, random_conditions

FIRST = dates.parse("0001-01-01T00:00:00+23:59")
LAST = dates.parse("9999-12-31T23:59:59.999999-23:59")
ODD_DAYS = (
    ("Africa/Cairo", date(2025, 4, 25)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/St_Johns", date(2006, 10, 29)),
    ("America/St_Johns", date(2006, 4, 2)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Apia", date(2011, 12, 31)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Asia/Manila", date(1844, 12, 31)),
    ("America/Toronto", date(1919, 3, 31)),
    ("Africa/Monrovia", date(1972, 1, 7)),
)


@pytest.mark.parametrize(
    "text", [*random_conditions.NO_DATES, "", "2026", "2026-01-01T", "2026-01-01T1:00", "1767225600"]
)
def test_invalid_dates(text: str) -> None:
    """The grammar accepts nothing else."""
    assert dates.parse(text) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-01-01T09:00:00.123456789Z", "2026-01-01T09:00:00.123456Z"),
        ("2026-01-01T09:00:00.9999999+02:00", "2026-01-01T09:00:00.999999+02:00"),
        ("2026-01-01 09:00:00.000000001", "2026-01-01 09:00:00"),
        ("2026-01-01T09:00:00.5Z", "2026-01-01T09:00:00.5Z"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_times_of_events_keep_microseconds(text: str, kept: str) -> None:
    """Go, Java and .NET have finer clocks, and their clients send all digits."""
    assert dates.parse(kept) is not None
    assert dates.parse_to_microsecond(text) == dates.parse(kept)


@pytest.mark.parametrize(
    "text", ["2026-01-01T09:00:00.1234567.8Z", "2026-01-01T09:00:00.1234567z", ".1234567"]
)
def test_finer_times_must_be_valid_dates(text: str) -> None:
    """Digits are cut off, but nothing else is tolerated."""
    assert dates.parse_to_microsecond(text) is None


@pytest.mark.parametrize("seed", range(200))
def test_dates_are_read_as_the_oracle_reads_them(seed: int) -> None:
    """Every spelling means the same instant in every zone."""
    text = random_conditions.dated(Random(seed))
    result = dates.parse(text)
    assert result is not None
    for zone in ("UTC", "Africa/Cairo", "America/New_York", "Asia/Kolkata"):
        span = oracle.moment(text, zone)
        assert span is not None
        assert (
            dates.start_of_day(result.day, ZoneInfo(zone))
            if result.is_date_only
            else result.to_instant(ZoneInfo(zone))
        ) == (span.start)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T09:00:00Z",
        "2026-01-01T09:00:00.000001Z",
        "2026-01-01T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        # Times that are not in the calendar, or not canonical.
        "2026-02-30T09:00:00Z",
        "0000-01-01T09:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T09:60:00Z",
        "2026-01-01T09:00:60Z",
        "2026-01-01T09:00:00.5Z",
        "2026-01-01 09:00:00Z",
        "2026-W01-1T09:00:00Z",
        "2026-01-01T09:00:00,5000000Z",
        "2026-01-01T09:00Z",
        "٢٠٢٦-01-01T09:00:00Z",
        "2026-01-01T09:00:00+02:00",
        "2026-01-01T09:00:00",
        "2026-01-01",
        "xyZ",
        "",
        *random_conditions.NO_DATES,
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_instants_are_read_as_dates_are(text: str, zone: str) -> None:
    """The short way to an instant finds what parsing finds."""
    parsed = dates.parse(text)
    expected = None if parsed is None else parsed.to_instant(ZoneInfo(zone))
    assert dates.parse_instant(text, ZoneInfo(zone)) == expected


@pytest.mark.parametrize(("zone", "day"), ODD_DAYS)
def test_unusual_days_begin_where_the_calendar_says(zone: str, day: date) -> None:
    """The first instant of a day has its date or a later one; the instant before has an earlier one."""
    begin = dates.start_of_day(day, ZoneInfo(zone))
    assert dates.local_date(begin - 1, ZoneInfo(zone)) < day <= dates.local_date(begin, ZoneInfo(zone))
    assert begin == oracle.day_begins(day, zone)


def test_days_begin_where_the_oracle_says() -> None:
    """Random days of every zone begin where the oracle says, and where the day before ends."""
    rng = Random(5)
    for zone in sorted(available_timezones()):
        for _ in range(20):
            day = date.fromordinal(rng.randrange(date(1850, 1, 1).toordinal(), date(2040, 1, 1).toordinal()))
            begin, end = dates.day_span(day, ZoneInfo(zone))
            assert (begin, end) == tuple(oracle.day_span(day, zone)), (zone, day)


@pytest.mark.parametrize("seed", range(50))
def test_a_formatted_instant_reads_back(seed: int) -> None:
    """The canonical text of an instant means that instant, to the ends of the calendar and beyond."""
    assert FIRST is not None
    assert LAST is not None
    ends = FIRST.to_instant(ZoneInfo("UTC")), LAST.to_instant(ZoneInfo("UTC"))
    instant = Random(seed).choice([*ends, Random(seed).randint(*ends)])
    result = dates.parse(dates.format_instant(instant))
    assert result is not None
    assert result.to_instant(ZoneInfo("UTC")) == instant


def test_instants_are_formatted_without_needless_fractions() -> None:
    """Whole seconds have no fraction."""
    assert dates.format_instant(0) == "1970-01-01T00:00:00Z"
    assert dates.format_instant(-1) == "1969-12-31T23:59:59.999999Z"
    assert dates.format_instant(1_500_000) == "1970-01-01T00:00:01.500000Z"
