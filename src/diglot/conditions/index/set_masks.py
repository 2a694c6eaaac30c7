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
# A gate that requires up to this number of tests has a bit in a mask for each of them. Tests of gates that
# require more are counted.
_LAYERS: Final = 4


# The bits of the gates that require a test, and of those that forbid it.
Gates = tuple[Sequence[int], Sequence[int]]


class _Test(NamedTuple):
    """The bits of the gates of a test: those that require only this one, and those that forbid it.

    Those that require several tests follow by layer, each in the layer of its n-th test, and at last those
    that require more tests than there are layers.
    """

    alone: Sequence[int]
    forbidden: Sequence[int]
    layers: Sequence[Sequence[int]]
    counted: Sequence[int]


class Effects(NamedTuple):
    """What some true tests do: the gates they release and rule out, and in each layer those they release.

    `counted` are the numbers of the tests that have to be counted.
    """

    released: int
    forbidden: int
    layers: Sequence[int]
    counted: Sequence[int]


class SetMasks:
    """The masks of one reading, by the numbers of the tests that are true."""

    __slots__ = ("_complete", "_memo", "_needed", "_tests", "_width", "missing")

    def __init__(self, asked: Sequence[Gates], width: int, budget: MemoBudget) -> None:
        self._width = width
        self._memo: Memo[int, Effects] = budget.memo(lambda _, effects: weigh_effects(effects))
        required = Counter(chain.from_iterable(required for required, _ in asked))
        self.missing = keep_mask(required, width, budget)
        # How many tests each gate requires, if these are several.
        self._needed = {bit: count for bit, count in required.items() if count > 1}
        # In each layer the gates that require fewer tests, so that nothing is wanting there.
        self._complete = [
            join_bits((bit for bit, count in self._needed.items() if count <= layer), width)
            for layer in range(min(max(self._needed.values(), default=0), _LAYERS))
        ]
        placed = Counter[int]()
        self._tests = [self._divide(*gates, placed) for gates in asked]

    def _divide(self, required: Sequence[int], forbidden: Sequence[int], placed: Counter[int]) -> _Test:
        if self._needed.keys().isdisjoint(required):
            return _Test(array("I", required), array("I", forbidden), (), ())
        alone: list[int] = []
        counted: list[int] = []
        layers: list[list[int]] = [[] for _ in self._complete]
        for bit in required:
            needed = self._needed.get(bit, 1)
            if needed == 1:
                alone.append(bit)
            elif needed > _LAYERS:
                counted.append(bit)
            else:
                layers[placed[bit]].append(bit)
                placed[bit] += 1
        arrays = [array("I", bits) for bits in layers]
        return _Test(array("I", alone), array("I", forbidden), arrays, array("I", counted))

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
        if effects:
            return self.combine([*effects, self.effects_of(few)])
        return self._toggle_few([self._tests[number] for number in few])

    def _toggle_few(self, tests: Sequence[_Test]) -> int:
        """Return the gates that are ruled out if only tests of few gates are true."""
        buffer = bytearray(self.missing().to_bytes((self._width >> 3) + 1, "little"))
        together: dict[int, int] = {}
        for test in tests:
            for bit in test.alone:
                buffer[bit >> 3] ^= 1 << (bit & 7)
            if test.layers:
                for bit in chain(*test.layers, test.counted):
                    together[bit] = together.get(bit, 0) + 1
        for bit, count in together.items():
            if count == self._needed[bit]:
                buffer[bit >> 3] ^= 1 << (bit & 7)
        for test in tests:
            for bit in test.forbidden:
                buffer[bit >> 3] |= 1 << (bit & 7)
        return int.from_bytes(buffer, "little")

    def effects_of(self, true: Sequence[int]) -> Effects:
        """Return what some true tests do, before those of others are known."""
        width = self._width
        released: list[int] = []
        forbidden: list[int] = []
        # Few tests have gates that require others, too.
        layered: list[int] = []
        for number in true:
            test = self._tests[number]
            released += test.alone
            forbidden += test.forbidden
            if test.layers:
                layered.append(number)
        return Effects(join_bits(released, width), join_bits(forbidden, width), *self._layers_of(layered))

    def _layers_of(self, layered: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        """Return what tests release in each layer, and the numbers of those that have to be counted."""
        if not layered:
            return (), ()
        tests, width = [self._tests[number] for number in layered], self._width
        layers = zip(*(test.layers for test in tests), strict=True)
        return (
            [join_bits(chain.from_iterable(bits), width) for bits in layers],
            [number for number, test in zip(layered, tests, strict=True) if test.counted],
        )

    def combine(self, effects: Sequence[Effects]) -> int:
        """Return the gates that are ruled out by the effects of all true tests."""
        released = forbidden = 0
        together: list[Effects] = []
        for one in effects:
            released |= one.released
            forbidden |= one.forbidden
            if one.layers:
                together.append(one)
        if together:
            released |= self._release_together(together)
        missing = self.missing()
        return (missing ^ (missing & released)) | forbidden

    def _release_together(self, effects: Iterable[Effects]) -> int:
        """Return the gates that require several tests and are released."""
        layers = [0] * len(self._complete)
        counted: set[int] = set()
        for one in effects:
            counted.update(one.counted)
            for number, mask in enumerate(one.layers):
                layers[number] |= mask
        released = layers[0]
        for mask, complete in zip(layers, self._complete, strict=True):
            released &= mask | complete
        if counted:
            counts = Counter(bit for number in counted for bit in self._tests[number].counted)
            bits = [bit for bit, count in counts.items() if count == self._needed[bit]]
            released |= join_bits(bits, self._width)
        return released


def weigh_effects(effects: Effects) -> int:
    """Return the bytes of effects that are remembered."""
    masks = (effects.released, effects.forbidden, *effects.layers)
    return 300 + sum(map(weigh_mask, masks)) + 8 * len(effects.counted)
