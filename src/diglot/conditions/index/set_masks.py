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


class Effects(NamedTuple):
    """What some true tests do: the gates they release and rule out, and those of the tests to be counted.

    Tests are counted if a gate requires other tests as well.
    """

    released: int
    forbidden: int
    counted: Sequence[int]


class SetMasks:
    """The masks of one reading, by the numbers of the tests that are true."""

    __slots__ = ("_memo", "_needed", "_tests", "_width", "missing")

    def __init__(self, asked: Sequence[Gates], width: int, budget: MemoBudget) -> None:
        self._width = width
        self._memo: Memo[int, Effects] = budget.memo(lambda _, effects: weigh_effects(effects))
        required = Counter(chain.from_iterable(required for required, _ in asked))
        self.missing = keep_mask(required, width, budget)
        # How many tests each gate requires, if these are several.
        self._needed = {bit: count for bit, count in required.items() if count > 1}
        self._tests = [self._divide(*gates) for gates in asked]

    def _divide(self, required: Sequence[int], forbidden: Sequence[int]) -> _Test:
        if self._needed.keys().isdisjoint(required):
            return _Test(array("I", required), _NO_BITS, array("I", forbidden))
        alone = array("I", (bit for bit in required if bit not in self._needed))
        with_others = array("I", (bit for bit in required if bit in self._needed))
        return _Test(alone, with_others, array("I", forbidden))

    def ruled_out(self, true: Iterable[int]) -> int:
        """Return the gates that are ruled out if exactly these tests are true."""
        few: list[int] = []
        effects: list[Effects] = []
        for number in true:
            test = self._tests[number]
            if len(test.alone) + len(test.forbidden) <= _FEW_GATES:
                few.append(number)
            else:
                known = self._memo.get(number)
                effects.append(self._memo.put(number, self.effects_of((number,))) if known is None else known)
        return self.combine([*effects, self.effects_of(few)])

    def effects_of(self, true: Sequence[int]) -> Effects:
        """Return what some true tests do, before those of others are known."""
        tests = [self._tests[number] for number in true]
        return Effects(
            join_bits(chain.from_iterable(test.alone for test in tests), self._width),
            join_bits(chain.from_iterable(test.forbidden for test in tests), self._width),
            [number for number, test in zip(true, tests, strict=True) if test.with_others],
        )

    def combine(self, effects: Iterable[Effects]) -> int:
        """Return the gates that are ruled out by the effects of all true tests."""
        released = forbidden = 0
        counted: set[int] = set()
        for one in effects:
            released |= one.released
            forbidden |= one.forbidden
            counted.update(one.counted)
        if counted:
            counts = Counter(bit for number in counted for bit in self._tests[number].with_others)
            bits = [bit for bit, count in counts.items() if count == self._needed[bit]]
            released |= join_bits(bits, self._width)
        return (self.missing() & ~released) | forbidden


def weigh_effects(effects: Effects) -> int:
    """Return the bytes of effects that are remembered."""
    return 300 + weigh_mask(effects.released) + weigh_mask(effects.forbidden) + 8 * len(effects.counted)
