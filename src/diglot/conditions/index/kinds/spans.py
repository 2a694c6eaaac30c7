"""The look-up of values in an order: numbers, instants, and distances from now.

The edges of all tests divide the order into positions: that of a value is the number of edges up to it. A
gate is ruled out in some spans of positions, so that the masks of two neighboring positions differ by few
gates: those that a span begins or ends for. A small index keeps the mask of each position. A large one keeps
some, and toggles the gates from there on, which takes 7 us for 100,000 conditions, where a mask has 14 KB.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from diglot.caches import Memo, MemoBudget
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.asked import Asked, Setting
from diglot.conditions.index.masks import keep_mask, toggle_bits, weigh_mask
from diglot.conditions.index.questions import Reading, Within, sort_edges
from diglot.conditions.index.readings import reader_of

# The bytes of kept masks for each use of a predicate by a gate. With 1,000 segments all of them fit, with
# 10,000 those of most readings. Making one takes 6 us.
_KEPT_BYTES_OF_A_USE: Final = 600

Span = tuple[int, int]
# A test on an order, and the bits of the gates that require it and of those that forbid it.
AskedSpan = tuple[Within, Sequence[int], Sequence[int]]


class RangeMasks:
    """The masks of one reading whose values have an order."""

    __slots__ = ("_kept", "_kept_at", "_memo", "_toggled", "_width", "edges", "missing")

    def __init__(self, asked: Sequence[AskedSpan], width: int, budget: MemoBudget) -> None:
        self.edges: Sequence[Any] = sort_edges(test for test, _, _ in asked)
        self._width = width
        self._memo: Memo[int, int] = budget.memo(_weigh_remembered)
        self.missing = keep_mask({bit for _, required, _ in asked for bit in required}, width, budget)
        # The gates that are ruled out at a position and not at the one before, or the other way around.
        self._toggled: Sequence[Sequence[int]] = [array("I", bits) for bits in self._toggles(asked)]
        uses = sum(len(required) + len(forbidden) for _, required, forbidden in asked)
        most = _KEPT_BYTES_OF_A_USE * uses // (width // 8 + 1)
        # Some positions, and their masks: a position before has few gates more to toggle.
        self._kept_at: list[int] = []
        self._kept: list[int] = []
        self._sweep(0 if most >= len(self._toggled) else 2 * uses // max(most, 1))
        # What is kept is taken from what may be remembered.
        budget.max_bytes -= sum(map(weigh_mask, self._kept))

    def _toggles(self, asked: Sequence[AskedSpan]) -> Sequence[Iterable[int]]:
        last = len(self.edges) + 1
        # The end of the last span lies behind the last position.
        toggled: list[list[int]] = [[] for _ in range(last + 1)]
        for bit, spans in _spans_of_gates(asked, self.edges).items():
            for begin, end in spans:
                toggled[begin].append(bit)
                toggled[end].append(bit)
        return toggled[:last]

    def _sweep(self, gates_between: int) -> None:
        """Keep masks in one pass over all positions: one for each number of gates that toggle."""
        buffer = bytearray(self._width // 8 + 1)
        mask = count = 0
        for position, bits in enumerate(self._toggled):
            for bit in bits:
                buffer[bit >> 3] ^= 1 << (bit & 7)
            count += len(bits)
            if count >= gates_between:
                # Neighbors without a difference share a mask.
                mask = int.from_bytes(buffer, "little") if count else mask
                self._kept_at.append(position)
                self._kept.append(mask)
                count = 0

    @property
    def masks(self) -> "MasksByPosition":
        """The masks of the gates that are ruled out at each position."""
        return self._kept if len(self._kept) == len(self._toggled) else self

    def __getitem__(self, position: int) -> int:
        mask = self._memo.get(position)
        if mask is None:
            index = bisect_right(self._kept_at, position) - 1
            nearest, begin = (self._kept[index], self._kept_at[index]) if index >= 0 else (0, -1)
            bits = chain.from_iterable(self._toggled[begin + 1 : position + 1])
            mask = self._memo.put(position, nearest ^ toggle_bits(bits, self._width))
        return mask


MasksByPosition = list[int] | RangeMasks


def _spans_of_gates(asked: Sequence[AskedSpan], edges: Sequence[Any]) -> dict[int, Sequence[Span]]:
    """Return the spans of positions in which each gate is ruled out."""
    spans: dict[int, Sequence[Span]] = {}
    # Gates that have several tests in this reading, and the spans of each.
    several: dict[int, list[Span]] = {}
    last = len(edges) + 1
    for test, required, forbidden in asked:
        inside = test.positions(edges)
        for bits, ruled_out in ((required, _complement(inside, last)), (forbidden, inside)):
            for bit in bits:
                if bit not in spans:
                    spans[bit] = ruled_out
                else:
                    several.setdefault(bit, list(spans[bit])).extend(ruled_out)
    return spans | {bit: _merge(parts) for bit, parts in several.items()}


def _complement(spans: Sequence[Span], last: int) -> Sequence[Span]:
    """Return the spans between those given, which are in order."""
    begins = [0, *(end for _, end in spans)]
    ends = [*(begin for begin, _ in spans), last]
    return list(zip(begins, ends, strict=True))


def _merge(spans: Iterable[Span]) -> Sequence[Span]:
    """Return spans that do not overlap and have the same union."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged


def _weigh_remembered(_position: int, mask: int) -> int:
    return 100 + weigh_mask(mask)


class SpanLookup:
    """Finds the position of a value among the edges of all tests, and the mask there."""

    __slots__ = ("_read", "edges", "masks", "missing")

    def __init__(self, reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        spans = [(one.test, one.required, one.forbidden) for one in asked if isinstance(one.test, Within)]
        made = RangeMasks(spans, setting.width, setting.budget)
        self.edges, self.masks, self.missing = made.edges, made.masks, made.missing
        self._read = reader_of(reading)

    def ask(self, view: ContactView, _now: int) -> int:
        """Return the gates that are ruled out for a contact by its value, not by the distance from now."""
        value = self._read(view)
        return self.missing() if value is None else self.masks[bisect_right(self.edges, value)]
