"""Anniversaries: the days from today until a month and day come round again (semantics 34).

A *month-day* is the place of a month and day in a leap year: 0 is 1 January, 59 is 29 February, 365 is 31
December. Only the distance from today to a month-day, 0 to 365 days, decides a predicate. So a predicate is
the set of distances for which it is true, and for each today a set of month-days, which all evaluators share.
Sets are masks: bit n of an integer stands for n.
"""

from calendar import isleap
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree
from diglot.conditions.tree import Op

LEAP_DAY: Final = 59
FURTHEST: Final = 365
EVERY_DISTANCE: Final = (1 << FURTHEST + 1) - 1
_MONTH_DAYS: Final = range(366)
# What the days of each month are added to, from January, which is month 1; the first month-day is 0.
_BEFORE_MONTH: Final = (0, -1, 30, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DISTANCES: Final = range(FURTHEST + 1)
_COMPARISONS: Final = {Op.GT: gt, Op.GTE: ge, Op.LT: lt, Op.LTE: le}
# The calendar repeats after 400 years. An offset from UTC takes an instant at either end of the calendar out
# of it by less than two days.
_CYCLE: Final = 146_097 * dates.DAY
_FIRST, _LAST = (dates.start_of_day(day, ZoneInfo("UTC")) for day in (date(1, 1, 3), date(9999, 12, 29)))


def month_day_of(instant: int, zone: ZoneInfo) -> int:
    """Return the month-day of the calendar day in a time zone that holds an instant (microseconds)."""
    if instant < _FIRST:
        instant += _CYCLE
    elif instant > _LAST:
        instant -= _CYCLE
    return month_day_of_date(dates.local_date(instant, zone))


def month_day_of_date(day: date) -> int:
    """Return the month-day of a date."""
    return _BEFORE_MONTH[day.month] + day.day


def days_until(month_day: int, today: date) -> int:
    """Return the days from a date until a month-day comes round: 0 on the day itself, at most 365."""
    begun = today.timetuple().tm_yday - 1
    place = _place_in_year(month_day, today.year)
    if place >= begun:
        return place - begun
    return 365 + isleap(today.year) - begun + _place_in_year(month_day, today.year + 1)


def _place_in_year(month_day: int, year: int) -> int:
    """Return the place of a month-day in a year; in a common year 29 February falls on the day before."""
    return month_day - 1 if month_day >= LEAP_DAY and not isleap(year) else month_day


def matching_distances(op: Op, operand: tree.Operand) -> int:
    """Return the mask of the distances for which a predicate on an anniversary is true."""
    if op is Op.IS_SET:
        return EVERY_DISTANCE
    numbers = [float(scalar.value) for scalar in tree.scalars_of(operand) if isinstance(scalar, tree.Number)]
    if op in (Op.EQUALS, Op.IN):
        whole = {int(number) for number in numbers if 0 <= number <= FURTHEST and number.is_integer()}
        return _join_bits(whole)
    (number,) = numbers
    return _join_bits(distance for distance in _DISTANCES if _COMPARISONS[op](distance, number))


def _join_bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


@lru_cache(maxsize=256)
def today(now: int, zone: ZoneInfo) -> date:
    """Return `dates.local_date`, cached because the anniversaries of every contact read it."""
    return dates.local_date(now, zone)


@lru_cache(maxsize=4_096)
def matching_month_days(distances: int, day: date) -> int:
    """Return the mask of the month-days that lie one of some distances, a mask as well, after a date."""
    return _join_bits(month_day for month_day in _MONTH_DAYS if distances >> days_until(month_day, day) & 1)


def runs_of(mask: int) -> Iterator[tuple[int, int]]:
    """Yield runs of neighboring numbers in a mask, in order, each as its first and the one after its last."""
    begin = 0
    while mask:
        gap = (mask & -mask).bit_length() - 1
        length = (~(mask >> gap) & ((mask >> gap) + 1)).bit_length() - 1
        yield begin + gap, begin + gap + length
        mask >>= gap + length
        begin += gap + length
