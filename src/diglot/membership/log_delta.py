"""The log delta: for each segment, the contacts that entered and left since the last compaction.

A segment's members are (chunks - left) | entered, so a delta holds two disjoint bitmaps of contact keys for
each segment in it, and the keys that toggled in between. A row that rewrites a segment starts its net change
over, because the chunks already contain the result. A process caches the delta of a workspace and extends it
by the rows that it has not read yet. A delta is immutable: newer rows give a new one, so that readers on
several threads need no lock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pyroaring import BitMap

from diglot.storage.membership.chunks import CHUNK_BITS, chunks_of, keys_of_chunk
from diglot.storage.membership.log import DeltaRow, RowFingerprint
from diglot.storage.membership.log_counts import QUARTER
from diglot.storage.membership.log_sums import NetChange

_NO_KEYS: Final = BitMap()
_BYTES_OF_A_DELTA: Final = 1_000


@dataclass(frozen=True, slots=True)
class LogDelta:
    """The net changes of the entries after `compacted_to` up to `last_entry`, by segment.

    `fingerprint` is that of the last row, None if there is none. `weight` is an estimate of the bytes that it
    holds.
    """

    compacted_to: int
    last_entry: int
    net_changes: Mapping[int, NetChange] = field(default_factory=dict)
    fingerprint: RowFingerprint | None = None
    weight: int = _BYTES_OF_A_DELTA

    def with_rows(self, rows: Iterable[DeltaRow], last_entry: int) -> "LogDelta":
        """Return the delta extended by further rows of the log, in their order."""
        nets = dict(self.net_changes)
        copied: set[int] = set()
        fingerprint = self.fingerprint
        for row in rows:
            fingerprint, quarter = row.fingerprint, row.happened_at // QUARTER
            for change in row.changes:
                number = change.segment
                if row.rewrites_segment:
                    nets[number] = NetChange.starting_at(row.last_entry + 1)
                    copied.add(number)
                    continue
                if number not in copied:
                    copied.add(number)
                    net = nets.get(number)
                    nets[number] = NetChange.starting_at(self.compacted_to + 1) if net is None else net.copy()
                nets[number].add(change, quarter)
        before = sum(net.weight for number in copied if (net := self.net_changes.get(number)) is not None)
        weight = self.weight - before + sum(nets[number].weight for number in copied)
        return LogDelta(self.compacted_to, last_entry, nets, fingerprint, weight)

    def entered_and_left(self, segment: int) -> tuple[BitMap, BitMap]:
        """Return the keys of the contacts that entered a segment and of those that left it."""
        net = self.net_changes.get(segment)
        return (_NO_KEYS, _NO_KEYS) if net is None else (net.entered, net.left)

    def count_members(self, segment: int, stored: int) -> int:
        """Return the number of members of a segment, given the number in its chunks."""
        entered, left = self.entered_and_left(segment)
        return stored + len(entered) - len(left)

    def count_by_chunk(self, segment: int, stored: Mapping[int, int]) -> dict[int, int]:
        """Return the number of members in each chunk, given the stored numbers."""
        counts = dict(stored)
        for change, sign in zip(self.entered_and_left(segment), (1, -1), strict=True):
            for chunk in chunks_of(change):
                within = change.range_cardinality(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)
                counts[chunk] = counts.get(chunk, 0) + sign * within
        return counts

    def apply_to_chunk(self, segment: int, members: BitMap, chunk: int) -> BitMap:
        """Return the members in a chunk, given the stored ones."""
        entered, left = self.entered_and_left(segment)
        if left:
            members = members - left
        if entered:
            members = members | (entered & keys_of_chunk(chunk))
        return members
