"""What a rule asks of a sum: whether it is more than a number, at least a number, or one of some numbers.

All other comparisons are complements. Sums and numbers are decimals without rounding: a number has the value
of its spelling, so that 0.1 and 0.2 add up to 0.3.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from diglot.caches import SharedCache
from diglot.conditions.events.states import EXACT, to_decimal

_MAX_BYTES: Final = 4_000_000
# Longer texts weigh, and are kept by their bytes.
_MAX_SHORT: Final = 100


class SumTest(NamedTuple):
    """A question about a sum: `gt` or `gte` a number, or `in` some numbers, which are in ascending order."""

    word: str
    numbers: tuple[Decimal, ...]

    def meets(self, total: Decimal) -> bool:
        """Tell whether a sum meets the test."""
        if self.word == "in":
            place = bisect_left(self.numbers, total)
            return place < len(self.numbers) and self.numbers[place] == total
        (limit,) = self.numbers
        return total > limit if self.word == "gt" else total >= limit

    @property
    def compare(self) -> Callable[[Decimal], bool]:
        """What `meets` does, as a function that takes a third of the time for each of many sums."""
        if self.word == "in":
            return self.meets
        (limit,) = self.numbers
        return limit.__lt__ if self.word == "gt" else limit.__le__


def write_test(word: str, numbers: Iterable[float]) -> str:
    """Return the text of a test, which is equal for tests of equal numbers."""
    decimals = sorted(EXACT.normalize(to_decimal(number)) for number in numbers)
    # No set, because a client can send thousands of numbers with one hash.
    return " ".join((word, *(str(decimal) for decimal, _ in groupby(decimals))))


def is_short(text: str) -> bool:
    """Tell whether a test takes little memory."""
    return len(text) <= _MAX_SHORT


def read_test(text: str) -> SumTest:
    """Return the test of a text."""
    if is_short(text):
        return _read_short(text)
    test = _tests.get(text)
    if test is None:
        test = _read(text)
        _tests.put(text, test)
    return test


def _read(text: str) -> SumTest:
    word, *numbers = text.split(" ")
    return SumTest(word, tuple(map(Decimal, numbers)))


# Most tests are of one number, and many conditions have equal ones.
_read_short: Final = lru_cache(maxsize=4_096)(_read)


# Of 10,000 numbers it takes milliseconds to read a test, which every contact asks for.
_tests: Final = SharedCache[str, SumTest](_MAX_BYTES, lambda text, _: 300 + 8 * len(text))
