"""Columns: one form of a field for all contacts of a block, which answers a test with a mask of contacts.

Masks are integers of Python, in which bit i stands for contact i, so `&`, `|` and `^` combine the answers for
hundreds of contacts at the price of one.

- Keys: the mask of the contacts that have each key.
- Ordered values: the values in order, with the mask of the first n of them for each n. A span of the order is
  the difference of two of these masks, which two bisections find.
- Folded texts: the distinct texts in one text with separators, which one search for a part reads; and in
  order, where those that begin with a part are neighbors, forwards and backwards.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from operator import itemgetter, or_
from typing import Any, Final

from diglot.conditions.index.questions import FoldedTexts, HasPart, Key
from diglot.conditions.tree import Op

# No text holds it (semantics 17).
_SEPARATOR: Final = "\0"
_first: Final = itemgetter(0)
_second: Final = itemgetter(1)
# Texts in order, and the mask of each.
_SortedTexts = tuple[Sequence[str], Sequence[int]]


class KeyColumn:
    """The mask of the contacts that have each key."""

    __slots__ = ("masks",)

    def __init__(self, values: Iterable[Collection[Key]], holders: Iterable[int]) -> None:
        self.masks: dict[Key, int] = {}
        masks, get = self.masks, self.masks.get
        for keys, mask in zip(values, holders, strict=True):
            for key in keys:
                masks[key] = get(key, 0) | mask

    def any_of(self, keys: Iterable[Key]) -> int:
        """Return the mask of the contacts that have one of the keys."""
        mask, get = 0, self.masks.get
        for key in keys:
            mask |= get(key, 0)
        return mask


class OrderedColumn:
    """Values in order, and for each n the mask of the contacts of the first n; a missing value is in none."""

    __slots__ = ("masks", "values")

    def __init__(self, values: Iterable[Any], holders: Iterable[int]) -> None:
        pairs = [pair for pair in zip(values, holders, strict=True) if pair[0] is not None]
        pairs.sort(key=_first)
        self.values: Sequence[Any] = list(map(_first, pairs))
        self.masks: Sequence[int] = list(accumulate(map(_second, pairs), or_, initial=0))

    def between(self, begin: int, end: int) -> int:
        """Return the mask of the values from `begin` to before `end`."""
        return self.masks[bisect_left(self.values, end)] ^ self.masks[bisect_left(self.values, begin)]


class FoldedColumn:
    """Folded texts of scalars and of arrays, and the elements that `contains` compares in an array."""

    __slots__ = ("_elements", "_of_arrays", "_of_scalars")

    def __init__(self, values: Iterable[FoldedTexts], holders: Iterable[int]) -> None:
        scalars: dict[str, int] = {}
        arrays: dict[str, int] = {}
        elements: dict[str, int] = {}
        for (texts, listed), mask in zip(values, holders, strict=True):
            if listed is None:
                _add(scalars, texts, mask)
            else:
                _add(arrays, texts, mask)
                _add(elements, listed, mask)
        self._of_scalars, self._of_arrays, self._elements = _Texts(scalars), _Texts(arrays), elements

    def having(self, test: HasPart) -> int:
        """Return the mask of the contacts that pass a test."""
        mask = self._of_scalars.find(test.op, test.part)
        if test.element is not None:
            return mask | self._elements.get(test.element, 0)
        return mask | self._of_arrays.find(test.op, test.part)


Column = KeyColumn | OrderedColumn | FoldedColumn


def _add(masks: dict[str, int], texts: Iterable[str], mask: int) -> None:
    for text in texts:
        masks[text] = masks.get(text, 0) | mask


class _Texts:
    """Distinct folded texts, and the mask of the contacts that have each."""

    def __init__(self, masks: Mapping[str, int]) -> None:
        self._by_text = masks

    def find(self, op: Op, part: str) -> int:
        """Return the union of the masks of the texts that contain a part, or begin or end with it."""
        if not self._by_text:
            return 0
        if op is Op.CONTAINS:
            return self._find_within(part)
        return _find_beginning(part, *self._sorted) if op is Op.STARTS_WITH else self._find_end(part)

    def _find_within(self, part: str) -> int:
        joined, starts, masks = self._joined
        mask, end, at = 0, starts[-1], joined.find(part)
        while 0 <= at < end:
            number = bisect_right(starts, at) - 1
            mask |= masks[number]
            at = joined.find(part, starts[number + 1])
        return mask

    def _find_end(self, part: str) -> int:
        return _find_beginning(part[::-1], *self._sorted_backwards)

    @cached_property
    def _joined(self) -> tuple[str, Sequence[int], Sequence[int]]:
        """All texts in one, with a separator before each; where each begins, and their end; the masks."""
        joined = _SEPARATOR.join(("", *self._by_text))
        starts = list(accumulate((len(text) + 1 for text in self._by_text), initial=0))
        return joined, starts, list(self._by_text.values())

    @cached_property
    def _sorted(self) -> _SortedTexts:
        return _sort(self._by_text)

    @cached_property
    def _sorted_backwards(self) -> _SortedTexts:
        """The texts from their last character to the first."""
        return _sort({text[::-1]: mask for text, mask in self._by_text.items()})


def _sort(by_text: Mapping[str, int]) -> _SortedTexts:
    texts = sorted(by_text)
    return texts, [by_text[text] for text in texts]


def _find_beginning(part: str, texts: Sequence[str], masks: Sequence[int]) -> int:
    """Return the union of the masks of the sorted texts that begin with a part."""
    at, mask = bisect_left(texts, part), 0
    while at < len(texts) and texts[at].startswith(part):
        mask |= masks[at]
        at += 1
    return mask
