"""What a process remembers of the log of memberships: who entered and left since the chunks were written.

An overlay never changes: newer entries make a new one, so that readers on several threads need no lock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pyroaring import BitMap

from diglot.storage.membership.chunks import CHUNK_BITS, chunks_of, keys_of_chunk
from diglot.storage.membership.log import DeltaRow, RowFingerprint
from diglot.storage.membership.log_sums import NetChange

_NO_KEYS: Final = BitMap()


@dataclass(frozen=True, slots=True)
class LogDelta:
    """The net changes of the entries after `folded` up to `logged`, by segment."""

    compacted_to: int
    last_entry: int
    net_changes: Mapping[int, NetChange] = field(default_factory=dict)
    fingerprint: RowFingerprint | None = None

    def with_rows(self, rows: Iterable[DeltaRow], logged: int) -> "LogDelta":
        """Return the overlay with further rows of the log, in their order."""
        nets = dict(self.net_changes)
        own: set[int] = set()
        mark = self.fingerprint
        for row in rows:
            mark = row.fingerprint
            for change in row.changes:
                number = change.segment
                if row.rewrites_segment:
                    nets[number] = NetChange.starting_at(row.last_entry + 1)
                    own.add(number)
                    continue
                if number not in own:
                    own.add(number)
                    known = nets.get(number)
                    nets[number] = (
                        NetChange.starting_at(self.compacted_to + 1) if known is None else known.copy()
                    )
                nets[number].add(change)
        return LogDelta(self.compacted_to, logged, nets, mark)

    def entered_and_left(self, segment: int) -> tuple[BitMap, BitMap]:
        """Return who entered a segment and who left it."""
        net = self.net_changes.get(segment)
        return (_NO_KEYS, _NO_KEYS) if net is None else (net.entered, net.left)

    def count_members(self, segment: int, stored: int) -> int:
        """Return the number of members of a segment whose chunks hold so many."""
        entered, left = self.entered_and_left(segment)
        return stored + len(entered) - len(left)

    def count_by_chunk(self, segment: int, stored: Mapping[int, int]) -> dict[int, int]:
        """Return the number of members in each chunk, given those that are stored."""
        counts = dict(stored)
        for change, sign in zip(self.entered_and_left(segment), (1, -1), strict=True):
            for chunk in chunks_of(change):
                within = change.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)
                counts[chunk] = counts.get(chunk, 0) + sign * within
        return counts

    def apply_to_chunk(self, segment: int, members: BitMap, chunk: int) -> BitMap:
        """Return the members of a chunk, given those that are stored."""
        entered, left = self.entered_and_left(segment)
        if left:
            members = members - left
        if entered:
            members = members | (entered & keys_of_chunk(chunk))
        return members
