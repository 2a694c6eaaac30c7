"""What a process remembers of the log of memberships: who entered and left since the chunks were written.

An overlay never changes: newer entries make a new one, so that readers on several threads need no lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pyroaring import BitMap

from diglot.storage.membership.changes import Change, Keys

CHUNK_BITS: Final = 16
_NOBODY: Final = BitMap()
# Toggling keys one by one is faster than algebra on bitmaps for so many.
_FEW: Final = 8


# What tells a row of the log from another with the same numbers: when it was written and what it says.
Mark = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log; of a whole one the chunks of the segment hold everything already."""

    last: int
    whole: bool
    changes: Sequence[Change]
    mark: Mark | None = None


@dataclass(slots=True)
class Net:
    """The net change of one segment: who came, who went, and who did both since `first`."""

    first: int
    entered: BitMap
    left: BitMap
    passed: BitMap

    @classmethod
    def since(cls, first: int) -> "Net":
        """Return no change yet."""
        return cls(first, BitMap(), BitMap(), BitMap())

    def copy(self) -> "Net":
        """Return an equal one to go on with."""
        return Net(self.first, BitMap(self.entered), BitMap(self.left), BitMap(self.passed))

    def names(self, pk: int) -> bool:
        """Tell whether a contact came or went."""
        return pk in self.entered or pk in self.left or pk in self.passed

    def add(self, change: Change) -> None:
        """Note who left and who entered: a transition takes back the opposite one where that is noted."""
        self._move(change.left, self.entered, self.left)
        self._move(change.entered, self.left, self.entered)

    def _move(self, keys: Keys, undone: BitMap, done: BitMap) -> None:
        if len(keys) < _FEW:
            for pk in keys:
                if pk in undone:
                    undone.discard(pk)
                    self.passed.add(pk)
                else:
                    done.add(pk)
            return
        moved = keys if isinstance(keys, BitMap) else BitMap(keys)
        back = undone & moved
        undone -= back
        self.passed |= back
        done |= moved - back


@dataclass(frozen=True, slots=True)
class Overlay:
    """The net changes of the entries after `folded` up to `logged`, by segment."""

    folded: int
    logged: int
    nets: Mapping[int, Net] = field(default_factory=dict)
    mark: Mark | None = None

    def then(self, rows: Iterable[Row], logged: int) -> "Overlay":
        """Return the overlay with further rows of the log, in their order."""
        nets = dict(self.nets)
        own: set[int] = set()
        mark = self.mark
        for row in rows:
            mark = row.mark
            for change in row.changes:
                number = change.segment
                if row.whole:
                    nets[number] = Net.since(row.last + 1)
                    own.add(number)
                    continue
                if number not in own:
                    own.add(number)
                    known = nets.get(number)
                    nets[number] = Net.since(self.folded + 1) if known is None else known.copy()
                nets[number].add(change)
        return Overlay(self.folded, logged, nets, mark)

    def change(self, segment: int) -> tuple[BitMap, BitMap]:
        """Return who entered a segment and who left it."""
        net = self.nets.get(segment)
        return (_NOBODY, _NOBODY) if net is None else (net.entered, net.left)

    def count(self, segment: int, stored: int) -> int:
        """Return the number of members of a segment whose chunks hold so many."""
        entered, left = self.change(segment)
        return stored + len(entered) - len(left)

    def counts(self, segment: int, stored: Mapping[int, int]) -> dict[int, int]:
        """Return the number of members in each chunk, given those that are stored."""
        counts = dict(stored)
        for change, sign in zip(self.change(segment), (1, -1), strict=True):
            for chunk in chunks_of(change):
                within = change.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)
                counts[chunk] = counts.get(chunk, 0) + sign * within
        return counts

    def apply(self, segment: int, members: BitMap, chunk: int) -> BitMap:
        """Return the members of a chunk, given those that are stored."""
        entered, left = self.change(segment)
        if left:
            members = members - left
        if entered:
            members = members | (entered & within(chunk))
        return members


def within(chunk: int) -> BitMap:
    """Return every key of a chunk."""
    return BitMap(range(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS))


def chunks_of(keys: BitMap) -> list[int]:
    """Return the chunks in which a bitmap has keys."""
    found: list[int] = []
    begin = 0
    while (rank := keys.range_cardinality(0, begin)) < len(keys):
        chunk = keys[rank] >> CHUNK_BITS
        found.append(chunk)
        begin = (chunk + 1) << CHUNK_BITS
    return found
