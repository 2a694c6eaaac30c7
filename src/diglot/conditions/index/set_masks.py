"""The gates that a value rules out by the tests that are true of it: texts, tags, calendar days, parts.

Of the tests on such a value few are true. If none is, the gates that require one are ruled out. A true test
releases the gates that require only this one, and rules out those that forbid it.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

from diglot.caches import Memo, MemoBudget
from diglot.conditions.index.masks import join_bits, keep_mask, weigh_mask

# A test with more gates has its masks remembered; with fewer it costs less to set their bits.
_FEW_GATES: Final = 32
_NO_BITS: Final = array("I")


# The bits of the gates that require a test, and of those that forbid it.
Gates = tuple[Sequence[int], Sequence[int]]


class _Test(NamedTuple):
    """The bits of the gates that require only this test, that require others as well, and that forbid it."""

    alone: Sequence[int]
    with_others: Sequence[int]
    forbidden: Sequence[int]


class SetMasks:
    """The masks of one reading, by the numbers of the tests that are true."""

    def __init__(self, asked: Sequence[Gates], width: int, budget: MemoBudget) -> None:
        self._width = width
        self._memo: Memo[frozenset[int], int] = budget.memo(
            lambda tests, mask: 100 + 8 * len(tests) + weigh_mask(mask)
        )
        self._memo_of_tests: Memo[int, tuple[int, int]] = budget.memo(
            lambda _, masks: 150 + sum(map(weigh_mask, masks))
        )
        required = Counter(chain.from_iterable(required for required, _ in asked))
        self.missing = keep_mask(required, width)
        # How many tests each gate requires, if these are several.
        self._needed = {bit: count for bit, count in required.items() if count > 1}
        self._tests = [self._divide(*gates) for gates in asked]

    def _divide(self, required: Sequence[int], forbidden: Sequence[int]) -> _Test:
        if self._needed.keys().isdisjoint(required):
            return _Test(array("I", required), _NO_BITS, array("I", forbidden))
        alone = array("I", (bit for bit in required if bit not in self._needed))
        with_others = array("I", (bit for bit in required if bit in self._needed))
        return _Test(alone, with_others, array("I", forbidden))

    def ruled_out(self, true: frozenset[int]) -> int:
        """Return the gates that are ruled out if exactly these tests are true."""
        if not true:
            return self.missing()
        mask = self._memo.get(true)
        return self._memo.put(true, self._join(true)) if mask is None else mask

    def _join(self, true: Iterable[int]) -> int:
        tests = [(number, self._tests[number]) for number in true]
        counts = Counter(bit for _, test in tests for bit in test.with_others)
        released_bits = [bit for bit, count in counts.items() if count == self._needed[bit]]
        forbidden_bits: list[int] = []
        released = forbidden = 0
        for number, test in tests:
            if len(test.alone) + len(test.forbidden) <= _FEW_GATES:
                released_bits += test.alone
                forbidden_bits += test.forbidden
            else:
                masks = self._masks_of(number, test)
                released |= masks[0]
                forbidden |= masks[1]
        released |= join_bits(released_bits, self._width)
        return (self.missing() & ~released) | forbidden | join_bits(forbidden_bits, self._width)

    def _masks_of(self, number: int, test: _Test) -> tuple[int, int]:
        masks = self._memo_of_tests.get(number)
        if masks is None:
            masks = join_bits(test.alone, self._width), join_bits(test.forbidden, self._width)
            self._memo_of_tests.put(number, masks)
        return masks
