"""What generated functions call: comparisons that one expression cannot say.

Lists of numbers are compared by text or by bisection, never by the hash of a number: somebody may send
thousands that share one.
"""

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, relative_dates
from diglot.conditions.contact_view import AttributeView, is_big_integer
from diglot.conditions.text import is_blank
from diglot.conditions.tree import Op

__all__ = [
    "among",
    "begins",
    "calendar_bounds",
    "contains_part",
    "day_begun",
    "double_of",
    "ends",
    "equal",
    "equal_any",
    "instant_of",
    "is_blank",
    "number_or_nan",
    "ordered",
    "spelled_of",
    "within",
]

COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}


# What stands for a missing number or instant: it is neither below nor above nor equal to anything.
NAN: Final = float("nan")


def _double_hex(value: float) -> str:
    return (float(value) + 0.0).hex()


class NumberSet:
    """Numbers to be equal to one of (semantics 12: two integers exactly, otherwise both as doubles)."""

    __slots__ = ("doubles", "of_big", "wholes")

    def __init__(self, numbers: Iterable[float]) -> None:
        numbers = list(numbers)
        # What a number of any size is compared with, what a big integer is, and the big integers.
        self.doubles = frozenset(map(_double_hex, numbers))
        self.of_big = frozenset(_double_hex(number) for number in numbers if not is_big_integer(number))
        self.wholes = frozenset(str(number) for number in numbers if is_big_integer(number))


class SpanSet:
    """Spans of instants (begin included, end excluded) to lie in one of."""

    __slots__ = ("begins", "ends")

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self.begins: list[int] = []
        self.ends: list[int] = []
        for begin, end in sorted(spans):
            if self.ends and begin <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.begins.append(begin)
                self.ends.append(end)


def within(instant: int, spans: SpanSet) -> bool:
    """Tell whether an instant lies in one of the spans."""
    place = bisect_right(spans.begins, instant) - 1
    return place >= 0 and instant < spans.ends[place]


def among(value: float, numbers: NumberSet) -> bool:
    """Tell whether a number is one of those."""
    if is_big_integer(value):
        return str(value) in numbers.wholes or _double_hex(value) in numbers.of_big
    return _double_hex(value) in numbers.doubles


def equal_any(values: Sequence[float], numbers: NumberSet) -> bool:
    """Tell whether any number is one of those."""
    return any(among(value, numbers) for value in values)


def equal(values: Sequence[float], number: float) -> bool:
    """Tell whether any number equals another."""
    return any(_compare_numbers(value, operator.eq, number) for value in values)


def ordered(attribute: AttributeView, compare: Callable[[Any, Any], bool], number: float) -> bool:
    """Compare an attribute that is one number with another; an array does not fit."""
    if attribute.array or not attribute.numbers:
        return False
    return _compare_numbers(attribute.numbers[0], compare, number)


def spelled_of(attribute: AttributeView | None) -> tuple[str, ...]:
    """Return the scalars of an attribute as text; one that is not there has none."""
    if attribute is None:
        return ()
    spelled: tuple[str, ...] = attribute.spelled
    return spelled


def double_of(attribute: AttributeView | None) -> float:
    """Return the double of an attribute that is one number, NaN for any other."""
    return NAN if attribute is None else number_or_nan(attribute.double)


def instant_of(attribute: AttributeView | None) -> float:
    """Return the instant that an attribute holds as text, NaN where it holds none."""
    return NAN if attribute is None else number_or_nan(attribute.instant)


def number_or_nan(value: float | None) -> float:
    """Return a number as it is, and NaN for None."""
    return NAN if value is None else value


def _compare_numbers(value: float, compare: Callable[[Any, Any], bool], number: float) -> bool:
    if is_big_integer(value) and is_big_integer(number):
        return compare(value, number)
    return compare(float(value), float(number))


def begins(folds: Sequence[str], part: str) -> bool:
    """Tell whether any text begins with a part."""
    return any(fold.startswith(part) for fold in folds)


def ends(folds: Sequence[str], part: str) -> bool:
    """Tell whether any text ends with a part."""
    return any(fold.endswith(part) for fold in folds)


def contains_part(folds: Sequence[str], part: str) -> bool:
    """Tell whether any text contains a part."""
    return any(part in fold for fold in folds)


@lru_cache(maxsize=256)
def day_begun(now: int, zone: ZoneInfo) -> int:
    """Return when the calendar day of an instant began; cached because each part of a set asks."""
    return dates.start_of_day(dates.local_date(now, zone), zone)


@lru_cache(maxsize=4_096)
def calendar_bounds(days: int, begun: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the bounds of the calendar day so many days before one that has begun.

    They are the same all day, so that one entry serves every instant of it.
    """
    return relative_dates.bounds(Op.EXACTLY_DAYS_AGO, days, begun, zone)
