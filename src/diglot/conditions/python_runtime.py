"""Functions that the generated Python calls, for comparisons that need more than one expression.

Lists of numbers are compared by text or bisection, never by the hash of a number, because a client can send
thousands of numbers with the same hash (40,000 colliding integers in a set cost 11 s).
"""

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, relative_dates, tree
from diglot.conditions.computed.anniversaries import matching_month_days, today
from diglot.conditions.computed.samples import sample_of
from diglot.conditions.contact_view import AttributeView, is_big_integer
from diglot.conditions.text import is_blank
from diglot.conditions.tree import Op

__all__ = [
    "any_ends_with",
    "any_equals",
    "any_is_one_of",
    "any_starts_with",
    "calendar_bounds",
    "compare_attribute",
    "contains_part",
    "day_begun",
    "in_any_span",
    "instant_of",
    "is_blank",
    "is_odd_since",
    "is_one_of",
    "matching_month_days",
    "number_or_nan",
    "sample_of",
    "texts_of",
    "to_double",
    "today",
]

COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}
# The symbol of each operator of order.
PYTHON_OPERATORS: Final = {
    **dict.fromkeys((Op.GT, Op.AFTER), ">"),
    **dict.fromkeys((Op.LT, Op.BEFORE), "<"),
    Op.GTE: ">=",
    Op.LTE: "<=",
    Op.EQUALS: "==",
}
# Stands for a missing number or instant, because no comparison with it is true.
NAN: Final = float("nan")


def is_odd_since(instants: Sequence[int] | None, since: int) -> bool:
    """Tell whether an odd number of instants, the oldest first, lie at or after another; None are none."""
    return instants is not None and (len(instants) - bisect_left(instants, since)) % 2 == 1


def _double_hex(value: float) -> str:
    return (float(value) + 0.0).hex()


class NumberSet:
    """The numbers of an `in` operand: two integers compare exactly, others as doubles (semantics 12)."""

    __slots__ = ("big_integers", "doubles", "doubles_for_big")

    def __init__(self, numbers: Iterable[float]) -> None:
        numbers = list(numbers)
        # For a number of any size, for a big integer against smaller numbers, and for big integers exactly.
        self.doubles = frozenset(map(_double_hex, numbers))
        self.doubles_for_big = frozenset(
            _double_hex(number) for number in numbers if not is_big_integer(number)
        )
        self.big_integers = frozenset(str(number) for number in numbers if is_big_integer(number))


class SpanSet:
    """Sorted spans of instants in microseconds (first included, end excluded), merged if they overlap."""

    __slots__ = ("ends", "starts")

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for begin, end in sorted(spans):
            if self.ends and begin <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(begin)
                self.ends.append(end)


def span_set_of(operand: tree.Operand, zone: ZoneInfo) -> SpanSet:
    """Return the spans of the dates of an operand in a time zone."""
    days = [scalar for scalar in tree.scalars_of(operand) if isinstance(scalar, tree.Date)]
    return SpanSet([dates.operand_to_span(day, zone) for day in days])


def in_any_span(instant: int, spans: SpanSet) -> bool:
    """Tell whether an instant lies in one of the spans."""
    index = bisect_right(spans.starts, instant) - 1
    return index >= 0 and instant < spans.ends[index]


def is_one_of(value: float, numbers: NumberSet) -> bool:
    """Tell whether a number is one of the numbers."""
    if is_big_integer(value):
        return str(value) in numbers.big_integers or _double_hex(value) in numbers.doubles_for_big
    return _double_hex(value) in numbers.doubles


def any_is_one_of(values: Sequence[float], numbers: NumberSet) -> bool:
    """Tell whether any of the values is one of the numbers."""
    return any(is_one_of(value, numbers) for value in values)


def any_equals(values: Sequence[float], number: float) -> bool:
    """Tell whether any of the values equals a number."""
    return any(_compare_numbers(value, operator.eq, number) for value in values)


def compare_attribute(attribute: AttributeView, compare: Callable[[Any, Any], bool], number: float) -> bool:
    """Compare a numeric attribute with a number; an array never matches."""
    if attribute.is_array or not attribute.numbers:
        return False
    return _compare_numbers(attribute.numbers[0], compare, number)


def texts_of(attribute: AttributeView | None) -> tuple[str, ...]:
    """Return the scalars of an attribute as text; a missing attribute has none."""
    if attribute is None:
        return ()
    texts: tuple[str, ...] = attribute.texts
    return texts


def to_double(attribute: AttributeView | None) -> float:
    """Return the double of a numeric attribute, NaN for any other."""
    return NAN if attribute is None else number_or_nan(attribute.double)


def instant_of(attribute: AttributeView | None) -> float:
    """Return the instant that an attribute holds as text, NaN if it holds none."""
    return NAN if attribute is None else number_or_nan(attribute.instant)


def number_or_nan(value: float | None) -> float:
    """Return the number, or NaN for None."""
    return NAN if value is None else value


def _compare_numbers(value: float, compare: Callable[[Any, Any], bool], number: float) -> bool:
    if is_big_integer(value) and is_big_integer(number):
        return compare(value, number)
    return compare(float(value), float(number))


def any_starts_with(folded_texts: Sequence[str], part: str) -> bool:
    """Tell whether any text begins with a part."""
    return any(text.startswith(part) for text in folded_texts)


def any_ends_with(folded_texts: Sequence[str], part: str) -> bool:
    """Tell whether any text ends with a part."""
    return any(text.endswith(part) for text in folded_texts)


def contains_part(folded_texts: Sequence[str], part: str) -> bool:
    """Tell whether any text contains a part."""
    return any(part in text for text in folded_texts)


@lru_cache(maxsize=256)
def day_begun(now: int, zone: ZoneInfo) -> int:
    """Return when the calendar day of an instant began, cached because every group of segments reads it."""
    return dates.start_of_day(dates.local_date(now, zone), zone)


@lru_cache(maxsize=4_096)
def calendar_bounds(days: int, begun: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the bounds of the calendar day a number of days before the day that began at `begun`.

    They are the same all day, so one cache entry serves every instant of the day.
    """
    return relative_dates.bounds(Op.EXACTLY_DAYS_AGO, tree.Days(days), begun, zone)
