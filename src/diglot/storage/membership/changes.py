"""The body of a row of the membership log: the contacts that entered and left segments in one write.

A body is a MessagePack array of one `[segment, entered, left]` for each segment that changed. `entered` and
`left` are dense keys: an array of integers if there are few, else a serialized roaring bitmap, because a
bitmap is smaller for many keys but slower to decode for one.

Each contact of a change has its own entry number in the log: first the contacts that left, then those that
entered, both in order of their keys. A negative segment number marks a segment that is still being evaluated
for the first time; such a change has no entry numbers.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from pyroaring import BitMap

# Fewer keys than this decode faster as integers than as a bitmap.
_FEW_KEYS: Final = 8
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, bytes | list[int], bytes | list[int]]]).decode
DenseKeys = Sequence[int] | BitMap


class SegmentChange(msgspec.Struct, frozen=True, gc=False):
    """The contacts that entered and left one segment in a write; no contact is in both.

    An import makes one for each segment that it moves contacts of, so it is a struct, which is made in a
    quarter of the time of a frozen dataclass.
    """

    segment: int
    entered: DenseKeys
    left: DenseKeys

    @property
    def entry_count(self) -> int:
        """The number of log entries: one for each contact, or none while the segment is being evaluated."""
        return len(self.entered) + len(self.left) if self.segment > 0 else 0

    def slice_entries(self, begin: int, end: int) -> "SegmentChange":
        """Return the part with the entries from `begin` to before `end`, counted from 0 in this change."""
        left_count = len(self.left)
        entered = self.entered[max(begin - left_count, 0) : max(end - left_count, 0)]
        return SegmentChange(self.segment, entered, self.left[min(begin, left_count) : min(end, left_count)])

    def undo_on(self, members: BitMap) -> None:
        """Turn the segment's members after this change into those before it, in place."""
        if isinstance(self.entered, BitMap):
            members.difference_update(self.entered)
        else:
            for pk in self.entered:
                members.discard(pk)
        members.update(self.left)


def _pack_keys(keys: DenseKeys) -> Any:
    if isinstance(keys, BitMap):
        return keys.serialize() if len(keys) >= _FEW_KEYS else list(keys)
    return BitMap(keys).serialize() if len(keys) >= _FEW_KEYS else keys


def _unpack_keys(stored: bytes | list[int]) -> DenseKeys:
    return BitMap.deserialize(stored) if isinstance(stored, bytes) else stored


def encode(changes: Iterable[SegmentChange]) -> bytes:
    """Encode the changes of one write."""
    return _encode(
        [(change.segment, _pack_keys(change.entered), _pack_keys(change.left)) for change in changes]
    )


def decode(body: bytes) -> list[SegmentChange]:
    """Decode the changes of one write."""
    return [
        # Most are short lists: the call is left out for them.
        SegmentChange(
            segment,
            entered if type(entered) is list else _unpack_keys(entered),
            left if type(left) is list else _unpack_keys(left),
        )
        for segment, entered, left in _decode(body)
    ]


def mentions(body: bytes, pk: int) -> bool:
    """Tell whether a contact moved in a write, in a fifth of the time of `decode`."""
    return any(pk in _unpack_keys(entered) or pk in _unpack_keys(left) for _, entered, left in _decode(body))


def decode_segments(body: bytes, segments: Collection[int]) -> list[SegmentChange]:
    """Decode the changes of some segments only."""
    return [
        SegmentChange(number, _unpack_keys(entered), _unpack_keys(left))
        for number, entered, left in _decode(body)
        if number in segments
    ]
