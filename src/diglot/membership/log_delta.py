"""What a process remembers of the log of memberships: who entered and left since the chunks were written.

An overlay never changes: newer entries make a new one, so that readers on several threads need no lock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pyroaring import BitMap

from diglot.storage.membership.chunks import CHUNK_BITS, chunks_of, within
from diglot.storage.membership.log import Mark, Row
from diglot.storage.membership.log_sums import Net

_NOBODY: Final = BitMap()


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
