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
from itertools import accumulate
from operator import itemgetter, or_
from typing import Any, Final

from diglot.conditions.index.questions import FoldedTexts, Key
from diglot.conditions.tree import Op

# No text holds it (semantics 17).
_SEPARATOR: Final = "\0"
_first: Final = itemgetter(0)
_second: Final = itemgetter(1)


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
        get = scalars.get
        for (texts, listed), mask in zip(values, holders, strict=True):
            if listed is None:
                for text in texts:
                    scalars[text] = get(text, 0) | mask
            else:
                _add(arrays, texts, mask)
                _add(elements, listed, mask)
        self._of_scalars, self._of_arrays, self._elements = _Texts(scalars), _Texts(arrays), elements

    def find_all(self, op: Op, parts: Sequence[str]) -> list[int]:
        """Return for each part the mask of the contacts with a text that has it where the operator says."""
        found = self._of_scalars.find_all(op, parts)
        if self._of_arrays.is_empty:
            return found
        return list(map(or_, found, self._of_arrays.find_all(op, parts)))

    def find_parts_or_elements(self, parts: Sequence[str], elements: Sequence[str]) -> list[int]:
        """Return for each part the mask of the scalars that contain it and of the arrays with the element."""
        masks = (self._elements.get(element, 0) for element in elements)
        return list(map(or_, self._of_scalars.find_all(Op.CONTAINS, parts), masks))


Column = KeyColumn | OrderedColumn | FoldedColumn


def _add(masks: dict[str, int], texts: Iterable[str], mask: int) -> None:
    for text in texts:
        masks[text] = masks.get(text, 0) | mask


class _Texts:
    """Distinct folded texts, and the mask of the contacts that have each."""

    __slots__ = ("_by_text",)

    def __init__(self, masks: Mapping[str, int]) -> None:
        self._by_text = masks

    @property
    def is_empty(self) -> bool:
        """Whether there are no texts."""
        return not self._by_text

    def find_all(self, op: Op, parts: Sequence[str]) -> list[int]:
        """Return for each part the union of the masks of the texts that have it where the operator says."""
        if op is Op.CONTAINS:
            return self._find_within(parts)
        if op is Op.STARTS_WITH:
            return _find_beginnings(parts, self._by_text)
        backwards = {text[::-1]: mask for text, mask in self._by_text.items()}
        return _find_beginnings([part[::-1] for part in parts], backwards)

    def _find_within(self, parts: Sequence[str]) -> list[int]:
        # All texts in one, with a separator before each; and where each begins, and where all end.
        joined = _SEPARATOR.join(("", *self._by_text))
        begins = list(accumulate((len(text) + 1 for text in self._by_text), initial=0))
        masks, end, found = list(self._by_text.values()), begins[-1], []
        for part in parts:
            mask, at = 0, joined.find(part)
            while 0 <= at < end:
                number = bisect_right(begins, at) - 1
                mask |= masks[number]
                at = joined.find(part, begins[number + 1])
            found.append(mask)
        return found


def _find_beginnings(parts: Iterable[str], masks: Mapping[str, int]) -> list[int]:
    """Return for each part the union of the masks of the texts that begin with it, which are neighbors."""
    texts, found = sorted(masks), []
    count = len(texts)
    for part in parts:
        at, mask = bisect_left(texts, part), 0
        while at < count and texts[at].startswith(part):
            mask |= masks[texts[at]]
            at += 1
        found.append(mask)
    return found
