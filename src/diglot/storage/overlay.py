"""What a process remembers of the log of memberships: who entered and left since the chunks were written.

An overlay never changes: newer entries make a new one, so that readers on several threads need no lock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from pyroaring import BitMap

CHUNK_BITS: Final = 16
_NOBODY: Final = BitMap()
_numbers = msgspec.json.Decoder(list[int]).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """A contact that entered and left segments, given by their numbers."""

    entry: int
    pk: int
    added: str
    removed: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """The net changes of the entries after `folded` up to `logged`, by segment."""

    folded: int
    logged: int
    added: Mapping[int, BitMap] = field(default_factory=dict)
    removed: Mapping[int, BitMap] = field(default_factory=dict)

    def then(self, entries: Iterable[Entry], logged: int) -> "Overlay":
        """Return the overlay with further entries, in their order."""
        added, removed = dict(self.added), dict(self.removed)
        own: set[int] = set()

        def owned(number: int) -> tuple[BitMap, BitMap]:
            if number not in own:
                own.add(number)
                added[number] = BitMap(added.get(number, _NOBODY))
                removed[number] = BitMap(removed.get(number, _NOBODY))
            return added[number], removed[number]

        for each in entries:
            for number in _numbers(each.added):
                entered, left = owned(number)
                _toggle(each.pk, left, entered)
            for number in _numbers(each.removed):
                entered, left = owned(number)
                _toggle(each.pk, entered, left)
        return Overlay(self.folded, logged, added, removed)

    @property
    def segments(self) -> set[int]:
        """The numbers of the segments that any entry names."""
        return {*self.added, *self.removed}

    def change(self, segment: int) -> tuple[BitMap, BitMap]:
        """Return who entered a segment and who left it."""
        return self.added.get(segment, _NOBODY), self.removed.get(segment, _NOBODY)

    def count(self, segment: int, stored: int) -> int:
        """Return the number of members of a segment whose chunks hold so many."""
        entered, left = self.change(segment)
        return stored + len(entered) - len(left)

    def counts(self, segment: int, stored: Mapping[int, int]) -> dict[int, int]:
        """Return the number of members in each chunk, given those that are stored."""
        counts = dict(stored)
        for change, sign in zip(self.change(segment), (1, -1), strict=True):
            for chunk in {pk >> CHUNK_BITS for pk in change}:
                within = change.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)
                counts[chunk] = counts.get(chunk, 0) + sign * within
        return counts

    def apply(self, segment: int, members: BitMap, chunk: int) -> BitMap:
        """Return the members of a chunk, given those that are stored."""
        entered, left = self.change(segment)
        begin, end = chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS
        within = BitMap(range(begin, end))
        return (members - left) | (entered & within)


def _toggle(pk: int, undone: BitMap, done: BitMap) -> None:
    """Note one transition: it takes back the opposite one where that is noted."""
    if pk in undone:
        undone.discard(pk)
    else:
        done.add(pk)
