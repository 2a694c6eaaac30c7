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
_FEW: Final = 8
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, bytes | list[int], bytes | list[int]]]).decode
Keys = Sequence[int] | BitMap


@dataclass(frozen=True, slots=True)
class Change:
    """Who entered and who left one segment; nobody does both."""

    segment: int
    entered: Keys
    left: Keys

    @property
    def numbers(self) -> int:
        """How many sequence numbers it has."""
        return len(self.entered) + len(self.left) if self.segment > 0 else 0

    def part(self, begin: int, end: int) -> "Change":
        """Return the part that has some of its numbers, counted from 0, `end` excluded."""
        gone = len(self.left)
        entered = self.entered[max(begin - gone, 0) : max(end - gone, 0)]
        return Change(self.segment, entered, self.left[min(begin, gone) : min(end, gone)])

    def undo(self, members: BitMap) -> None:
        """Make of the members of its segment after it those before it."""
        if isinstance(self.entered, BitMap):
            members.difference_update(self.entered)
        else:
            for pk in self.entered:
                members.discard(pk)
        members.update(self.left)


def _packed(keys: Keys) -> Any:
    if len(keys) < _FEW:
        return list(keys)
    return (keys if isinstance(keys, BitMap) else BitMap(keys)).serialize()


def _unpacked(stored: bytes | list[int]) -> Keys:
    return BitMap.deserialize(stored) if isinstance(stored, bytes) else stored


def encode(changes: Iterable[Change]) -> bytes:
    """Return the stored form of the changes of one write."""
    return _encode([(one.segment, _packed(one.entered), _packed(one.left)) for one in changes])


def decode(body: bytes) -> list[Change]:
    """Read the stored form."""
    return [Change(segment, _unpacked(entered), _unpacked(left)) for segment, entered, left in _decode(body)]


def decode_of(body: bytes, segment: int) -> list[Change]:
    """Read what the stored form says of one segment."""
    return [
        Change(segment, _unpacked(entered), _unpacked(left))
        for number, entered, left in _decode(body)
        if number == segment
    ]
