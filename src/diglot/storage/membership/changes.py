"""What one write did to memberships: who entered and left which segments, as the log keeps it.

A change has a sequence number for each contact, those who left before those who entered, both by key. A
negative segment is one that is still being evaluated: whoever entered or left it since, without numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pyroaring import BitMap

# A few keys are read faster as numbers.
_FEW_KEYS: Final = 8
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, bytes | list[int], bytes | list[int]]]).decode
DenseKeys = Sequence[int] | BitMap


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """Who entered and who left one segment; nobody does both."""

    segment: int
    entered: DenseKeys
    left: DenseKeys

    @property
    def entry_count(self) -> int:
        """How many sequence numbers it has."""
        return len(self.entered) + len(self.left) if self.segment > 0 else 0

    def slice_entries(self, begin: int, end: int) -> "SegmentChange":
        """Return the part that has some of its numbers, counted from 0, `end` excluded."""
        gone = len(self.left)
        entered = self.entered[max(begin - gone, 0) : max(end - gone, 0)]
        return SegmentChange(self.segment, entered, self.left[min(begin, gone) : min(end, gone)])

    def undo_on(self, members: BitMap) -> None:
        """Make of the members of its segment after it those before it."""
        if isinstance(self.entered, BitMap):
            members.difference_update(self.entered)
        else:
            for pk in self.entered:
                members.discard(pk)
        members.update(self.left)


def _pack_keys(keys: DenseKeys) -> Any:
    if len(keys) < _FEW_KEYS:
        return list(keys)
    return (keys if isinstance(keys, BitMap) else BitMap(keys)).serialize()


def _unpack_keys(stored: bytes | list[int]) -> DenseKeys:
    return BitMap.deserialize(stored) if isinstance(stored, bytes) else stored


def encode(changes: Iterable[SegmentChange]) -> bytes:
    """Return the stored form of the changes of one write."""
    return _encode([(one.segment, _pack_keys(one.entered), _pack_keys(one.left)) for one in changes])


def decode(body: bytes) -> list[SegmentChange]:
    """Read the stored form."""
    return [
        SegmentChange(segment, _unpack_keys(entered), _unpack_keys(left))
        for segment, entered, left in _decode(body)
    ]


def decode_segment(body: bytes, segment: int) -> list[SegmentChange]:
    """Read what the stored form says of one segment."""
    return [
        SegmentChange(segment, _unpack_keys(entered), _unpack_keys(left))
        for number, entered, left in _decode(body)
        if number == segment
    ]
