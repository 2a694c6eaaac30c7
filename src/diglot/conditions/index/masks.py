"""Masks: sets of small numbers as the bits of one integer, on which Python works many bits at a time.

Measured against roaring bitmaps and numpy for the masks of 1,000 and of 10,000 segments: 29 unions take 1.0
and 3.6 us, 5.2 and 16.7 us with roaring bitmaps, 4.6 and 10.0 us with numpy.
"""

import re
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import compress
from typing import Final, TypeVar

from diglot.caches import MemoBudget

T = TypeVar("T")
# The bits of each byte, and the digits of a binary number as bytes 0 and 1, for `select_items`.
_BITS: Final = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))
_find_bytes: Final = re.compile(rb"[^\0]").finditer
_TO_BITS: Final = bytes.maketrans(b"01", b"\0\1")
# Up to this number of bits, taking the lowest again and again costs least; up to this part of the bits,
# looking for bytes that are not zero.
_FEW: Final = 16
_SPARSE: Final = 40
_OVERHEAD: Final = 40
# A mask is kept unless it takes more bytes than these, and these for each of its bits.
_KEPT_BYTES: Final = 200
_KEPT_BYTES_OF_A_BIT: Final = 16


def join_bits(bits: Iterable[int], width: int) -> int:
    """Return the mask of bits below `width`."""
    buffer = bytearray((width >> 3) + 1)
    for bit in bits:
        buffer[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(buffer, "little")


def toggle_bits(bits: Iterable[int], width: int) -> int:
    """Return the mask of the bits that occur an odd number of times."""
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


def select_items(items: Sequence[T], mask: int) -> list[T]:
    """Return the items at the places of the bits of a mask, in ascending order."""
    count = mask.bit_count()
    if count <= _FEW:
        selected = []
        while mask:
            lowest = mask & -mask
            selected.append(items[lowest.bit_length() - 1])
            mask ^= lowest
        return selected
    if count < len(items) // _SPARSE:
        data = mask.to_bytes((mask.bit_length() + 7) >> 3, "little")
        bytes_set = ((found.start() << 3, data[found.start()]) for found in _find_bytes(data))
        return [items[begin + bit] for begin, byte in bytes_set for bit in _BITS[byte]]
    return list(compress(items, format(mask, "b").encode().translate(_TO_BITS)[::-1]))


def weigh_mask(mask: int) -> int:
    """Return the bytes of a mask."""
    return _OVERHEAD + (mask.bit_length() >> 3)


def _weigh_remembered(_key: int, mask: int) -> int:
    return 200 + weigh_mask(mask)
