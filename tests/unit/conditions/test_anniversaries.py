"""Anniversaries: the days until a month and day come round again."""

from datetime import date, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates, tree
from diglot.conditions.computed.anniversaries import (
    EVERY_DISTANCE,
    FURTHEST,
    LEAP_DAY,
    days_until,
    matching_distances,
    matching_month_days,
    month_day_of,
    month_day_of_date,
    runs_of,
)
from diglot.conditions.relative_dates import (
    RelativeAnniversary,
    next_flip,
    next_midnight,
    relative_dates_of,
    windows_crossed,
)
from diglot.conditions.tree import Op
from support import oracle

UTC = ZoneInfo("UTC")
APIA = ZoneInfo("Pacific/Apia")
ZONES = [ZoneInfo(name) for name in ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia")]


def instant(text: str, zone: ZoneInfo = UTC) -> int:
    parsed = dates.parse(text)
    assert parsed is not None
    return parsed.to_instant(zone)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("year", [1, 1900, 2000, 2023, 2024, 2026, 2100, 9999])
def test_distances_equal_those_of_the_oracle(year: int) -> None:
    """From each day of a year to each month-day; the oracle goes from day to day."""
    last = date(year, 12, 31)
    for day in map(date.fromordinal, range(date(year, 1, 1).toordinal(), last.toordinal() + 1, 13)):
        for leap_day in map(
            date.fromordinal, range(date(2000, 1, 1).toordinal(), date(2001, 1, 1).toordinal())
        ):
            month_day = month_day_of_date(leap_day)
            if year < 9999:
                expected = oracle.days_until((leap_day.month, leap_day.day), day)
                assert days_until(month_day, day) == expected
            assert 0 <= days_until(month_day, day) <= FURTHEST
    assert month_day_of_date(last) == 365


def test_the_places_of_days() -> None:
    """29 February has a place of its own, in front of which all years are alike."""
    assert month_day_of_date(date(2024, 2, 29)) == LEAP_DAY
    assert month_day_of_date(date(2023, 3, 1)) == month_day_of_date(date(2024, 3, 1)) == LEAP_DAY + 1
    assert month_day_of_date(date(2023, 2, 28)) == LEAP_DAY - 1


@pytest.mark.parametrize(
    ("text", "zone", "month_day"),
    [
        ("0001-01-01", "Asia/Kolkata", 0),
        ("0001-01-01T00:00:00+23:59", "UTC", 365),
        ("9999-12-31T23:59:59.999999Z", "Asia/Kolkata", 0),
        ("9999-12-31T23:59:59-23:59", "UTC", 0),
        ("9999-12-31", "America/New_York", 365),
        # A day that the zone skipped begins where the next one does.
        ("2011-12-30", "Pacific/Apia", 365),
        ("2011-12-29", "Pacific/Apia", 363),
    ],
)
def test_ends_of_the_calendar_and_a_skipped_day(text: str, zone: str, month_day: int) -> None:
    """Instants beyond the calendar have a month-day, too."""
    assert month_day_of(instant(text, ZoneInfo(zone)), ZoneInfo(zone)) == month_day


def number(op: Op, *values: float) -> int:
    numbers = tuple(map(tree.Number, values))
    return matching_distances(op, tree.Values(numbers) if op is Op.IN else numbers[0])


def test_a_predicate_is_a_set_of_distances() -> None:
    """Fractions and numbers out of range are compared as numbers; no distance equals them."""
    assert number(Op.LTE, 7) == number(Op.LT, 7.5) == 0b1111_1111
    assert number(Op.GT, 363) == number(Op.GTE, 363.5) == 0b11 << 364
    assert number(Op.EQUALS, 3.0) == number(Op.IN, 3, 3.5, -1, 366, 1e308, 2**63 - 1) == 0b1000
    assert number(Op.GT, 365) == number(Op.LT, 0) == number(Op.IN) == 0
    assert number(Op.GTE, -1e308) == matching_distances(Op.IS_SET, None) == EVERY_DISTANCE


def test_runs_of_a_mask() -> None:
    """Neighbors are one run."""
    rng = Random(1)
    assert list(runs_of(0)) == []
    assert list(runs_of(0b1101_0011)) == [(0, 2), (4, 5), (6, 8)]
    for _ in range(200):
        mask = rng.getrandbits(366) & rng.getrandbits(366)
        runs = list(runs_of(mask))
        assert {n for begin, end in runs for n in range(begin, end)} == {
            n for n in range(366) if mask >> n & 1
        }
        assert all(end < begin for (_, end), (begin, _) in pairwise(runs))


def test_a_rule_has_a_relative_date_unless_time_changes_nothing() -> None:
    """Whether a date is set, or within 365 days, does not depend on today."""

    def found(op: Op, *values: float) -> frozenset[object]:
        operand = tree.Number(values[0]) if values else None
        return frozenset(relative_dates_of(tree.Not(tree.Predicate("anniversary.created_at", op, operand))))

    assert found(Op.LTE, 7) == {RelativeAnniversary("anniversary.created_at", 0xFF)}
    assert found(Op.IS_SET) == found(Op.GT, 365) == found(Op.LTE, 365) == frozenset()


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_every_change_has_a_window(zone: ZoneInfo) -> None:
    """Between two instants a verdict changes for the month-days in the windows, and for no other."""
    rng = Random(zone.key)
    for _ in range(200):
        distances = rng.choice((0xFF, 1, 1 << 365, rng.getrandbits(366)))
        one = RelativeAnniversary("anniversary.created_at", distances)
        since = instant("2024-01-01T00:00:00Z") + rng.randint(0, 1_500) * dates.DAY
        until = since + rng.choice((1, 3_600 * dates.SECOND, dates.DAY, 3 * dates.DAY, 500 * dates.DAY))
        days = (dates.local_date(at, zone) for at in (since, until))
        before, after = (matching_month_days(distances, day) for day in days)
        windows = list(windows_crossed(one, since, until, zone))
        crossed = {n for begin, end in windows for n in range(begin, end)}
        assert crossed == {n for n in range(366) if (before ^ after) >> n & 1}
        assert next_flip(one, [3], since, zone) == next_midnight(since, zone)


def test_a_year_has_one_day_of_each() -> None:
    """In any year each month-day is today once; in a common year 28 February is two of them."""
    for year in (2023, 2024):
        today, met = date(year, 1, 1), 0
        while today.year == year:
            matching = matching_month_days(1, today)
            assert matching.bit_count() == (2 if (today.month, today.day) == (2, 28) and year == 2023 else 1)
            assert not met & matching
            met |= matching
            today += timedelta(days=1)
        assert met == EVERY_DISTANCE
