"""Masks: sets of small numbers as the bits of one integer, on which Python works many bits at a time.

`a ^ (a & b)` is what `a & ~b` is, in a fifth of the time, because it makes no negative number.

Measured against roaring bitmaps and numpy for the masks of 1,000 and of 10,000 segments: 29 unions take 1.0
and 3.6 us, 5.2 and 16.7 us with roaring bitmaps, 4.6 and 10.0 us with numpy.
"""

import re
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import compress
from typing import Final, TypeVar

from diglot.caches import Memo, MemoBudget

T = TypeVar("T")
_TO_BITS: Final = bytes.maketrans(b"01", b"\0\1")
_find_ones: Final = re.compile("1").finditer
# Up to the square root of the number of items, taking the highest bit again and again costs least; below this
# part of them, a search for each bit.
_DENSE: Final = 10
# Up to so many bits are joined one by one, without a buffer: two of 10,000 in 0.3 us instead of 1.4.
_FEW: Final = 12
_OVERHEAD: Final = 40
# A mask is kept unless it takes more bytes than these, and these for each of its bits.
_KEPT_BYTES: Final = 200
_KEPT_BYTES_OF_A_BIT: Final = 16


def join_bits(bits: Iterable[int], width: int) -> int:
    """Return the mask of bits below `width`."""
    bits = tuple(bits)
    if len(bits) <= _FEW:
        mask = 0
        for bit in bits:
            mask |= 1 << bit
        return mask
    buffer = bytearray((width >> 3) + 1)
    for bit in bits:
        buffer[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(buffer, "little")


def toggle_bits(bits: Iterable[int], width: int) -> int:
    """Return the mask of the bits that occur an odd number of times."""
    bits = tuple(bits)
    if len(bits) <= _FEW:
        mask = 0
        for bit in bits:
            mask ^= 1 << bit
        return mask
    buffer = bytearray((width >> 3) + 1)
    for bit in bits:
        buffer[bit >> 3] ^= 1 << (bit & 7)
    return int.from_bytes(buffer, "little")


def keep_mask(bits: Collection[int], width: int, budget: MemoBudget) -> Callable[[], int]:
    """Return a function that returns the mask of some bits.

    The mask is kept, unless it is wide for so few bits: then it is remembered within the bytes for that.
    """
    if width // 8 <= _KEPT_BYTES + _KEPT_BYTES_OF_A_BIT * len(bits):
        mask = join_bits(bits, width)
        return lambda: mask
    few, memo = array("I", bits), budget.memo(_weigh_remembered)

    def remember() -> int:
        remembered = memo.get(0)
        return memo.put(0, join_bits(few, width)) if remembered is None else remembered

    return remember


class SharedMasks:
    """The masks that values of fields are remembered with: equal ones are one object, which is weighed once.

    A mask has to be shared again whenever what refers to it is stored anew.
    """

    __slots__ = ("_memo",)

    def __init__(self, budget: MemoBudget) -> None:
        self._memo: Memo[int, int] = budget.memo(_weigh_remembered)

    def share(self, mask: int) -> int:
        """Return the object of a mask."""
        known = self._memo.get(mask)
        return self._memo.put(mask, mask) if known is None else known


def select_items(items: Sequence[T], mask: int) -> list[T]:
    """Return the items at the places of the bits of a mask, in ascending order."""
    count, width = mask.bit_count(), len(items)
    if count * count <= width:
        selected = []
        while mask:
            # The highest, because what remains is shorter then.
            bit = mask.bit_length() - 1
            selected.append(items[bit])
            mask ^= 1 << bit
        return selected[::-1]
    digits = format(mask, "b")[::-1]
    if count * _DENSE < width:
        return [items[found.start()] for found in _find_ones(digits)]
    return list(compress(items, digits.encode().translate(_TO_BITS)))


def weigh_mask(mask: int) -> int:
    """Return the bytes of a mask."""
    return _OVERHEAD + (mask.bit_length() >> 3)


def _weigh_remembered(_key: int, mask: int) -> int:
    return 200 + weigh_mask(mask)
