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

from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.chunks import CHUNK_BITS, chunks_of, keys_of_chunk
from diglot.storage.membership.log import DeltaRow, RowFingerprint
from diglot.storage.membership.log_counts import QUARTER
from diglot.storage.membership.log_sums import NetChange

_NO_KEYS: Final = BitMap()
_BYTES_OF_A_DELTA: Final = 1_000


@dataclass(slots=True)
class _Extension:
    """Net changes that are extended by rows, those of a quarter of an hour together.

    That takes a twentieth of the time that one change after the other takes, because most contacts move once.
    """

    first_entry: int
    nets: dict[int, NetChange]
    copied: set[int] = field(default_factory=set)
    _gathered: dict[int, list[SegmentChange]] = field(default_factory=dict)
    _quarter: int = 0

    def start_over(self, segments: Iterable[int], first_entry: int) -> None:
        """Begin the net changes of segments that a row rewrites."""
        for number in segments:
            self._gathered.pop(number, None)
            self.nets[number] = NetChange.starting_at(first_entry)
            self.copied.add(number)

    def gather(self, changes: Iterable[SegmentChange], quarter: int) -> None:
        """Gather the changes of a row."""
        if quarter != self._quarter:
            self.apply_gathered()
            self._quarter = quarter
        for change in changes:
            self._gathered.setdefault(change.segment, []).append(change)

    def apply_gathered(self) -> None:
        """Add what is gathered to the net changes."""
        for number, changes in self._gathered.items():
            if number not in self.copied:
                self.copied.add(number)
                net = self.nets.get(number)
                self.nets[number] = NetChange.starting_at(self.first_entry) if net is None else net.copy()
            self.nets[number].add_all(changes, self._quarter)
        self._gathered.clear()


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
        extension = _Extension(self.compacted_to + 1, dict(self.net_changes))
        fingerprint = self.fingerprint
        for row in rows:
            fingerprint = row.fingerprint
            if row.rewrites_segment:
                extension.start_over([change.segment for change in row.changes], row.last_entry + 1)
            else:
                extension.gather(row.changes, row.happened_at // QUARTER)
        extension.apply_gathered()
        nets, copied = extension.nets, extension.copied
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
