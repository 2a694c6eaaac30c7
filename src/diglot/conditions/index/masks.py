"""Masks: sets of small numbers as the bits of one integer, on which Python works many bits at a time.

Measured against roaring bitmaps and numpy for the masks of 1,000 and of 10,000 segments: 29 unions take 1.0
and 3.6 us, 5.2 and 16.7 us with roaring bitmaps, 4.6 and 10.0 us with numpy.
"""

import re
from array import array
from collections.abc import Callable, Collection, Iterable
from typing import Final

# The bits of each byte, for `list_bits`.
_BITS: Final = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))
_find_bytes: Final = re.compile(rb"[^\0]").finditer
# Up to this number of bits, taking the lowest again and again costs less.
_FEW: Final = 6
_OVERHEAD: Final = 40
# A mask is kept unless it takes more bytes than this for each of its bits.
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


def keep_mask(bits: Collection[int], width: int) -> Callable[[], int]:
    """Return a function that returns the mask of some bits: kept, or made each time if the bits are few."""
    if _KEPT_BYTES_OF_A_BIT * len(bits) < width // 8:
        few = array("I", bits)
        return lambda: join_bits(few, width)
    mask = join_bits(bits, width)
    return lambda: mask


def list_bits(mask: int) -> list[int]:
    """Return the bits of a mask in ascending order."""
    if mask.bit_count() <= _FEW:
        bits = []
        while mask:
            lowest = mask & -mask
            bits.append(lowest.bit_length() - 1)
            mask ^= lowest
        return bits
    data = mask.to_bytes((mask.bit_length() + 7) >> 3, "little")
    return [8 * found.start() + bit for found in _find_bytes(data) for bit in _BITS[data[found.start()]]]


def weigh_mask(mask: int) -> int:
    """Return the bytes of a mask."""
    return _OVERHEAD + (mask.bit_length() >> 3)
