"""Sums of the membership log: the net change of one segment between two compactions.

A row holds three roaring bitmaps for the entries `first` to `last`: contacts that entered, that left, and
that did both. History rewinds a segment by sums, because it then reads one row for each compaction instead of
every row of the log.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap
from sqlalchemy import bindparam, select

from diglot.storage import bulk
from diglot.storage.membership import log_counts
from diglot.storage.membership.changes import DenseKeys, SegmentChange
from diglot.storage.membership.chunks import weigh_keys
from diglot.storage.membership.log_counts import CountedQuarter
from diglot.storage.schema import membership_log_sums
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

# For fewer keys, toggling one by one is faster than bitmap algebra.
_FEW_KEYS: Final = 8
_BYTES_OF_A_COUNT: Final = 200


@dataclass(slots=True)
class NetChange:
    """The net change of one segment since `first_entry`: contacts that entered, left, or did both.

    All moves are counted by quarters of an hour: the last one, in which writes add to numbers, and the
    `earlier` ones, which copies share. They are not loaded with a stored sum.
    """

    first_entry: int
    entered: BitMap
    left: BitMap
    toggled: BitMap
    quarter: int = 0
    quarter_entered: int = 0
    quarter_left: int = 0
    earlier: tuple[CountedQuarter, ...] = ()

    @classmethod
    def starting_at(cls, first: int) -> "NetChange":
        """Return an empty net change."""
        return cls(first, BitMap(), BitMap(), BitMap())

    def copy(self) -> "NetChange":
        """Return a copy that can be changed."""
        bitmaps = BitMap(self.entered), BitMap(self.left), BitMap(self.toggled)
        now = self.quarter, self.quarter_entered, self.quarter_left
        return NetChange(self.first_entry, *bitmaps, *now, self.earlier)

    @property
    def weight(self) -> int:
        """An estimate of the bytes that this object takes."""
        bitmaps = sum(map(weigh_keys, (self.entered, self.left, self.toggled)))
        return 200 + bitmaps + _BYTES_OF_A_COUNT * len(self.earlier)

    def mentions(self, pk: int) -> bool:
        """Tell whether the contact entered or left."""
        return pk in self.entered or pk in self.left or pk in self.toggled

    @property
    def counts(self) -> list[CountedQuarter]:
        """How many contacts entered and left in each quarter of an hour."""
        last = self.quarter, self.quarter_entered, self.quarter_left
        return [*self.earlier, last] if any(last[1:]) else list(self.earlier)

    def count(self, change: SegmentChange, quarter: int) -> None:
        """Count the contacts of a change in a quarter of an hour, without adding it."""
        self._count(len(change.entered), len(change.left), quarter)

    def _count(self, entered: int, left: int, quarter: int) -> None:
        if quarter != self.quarter:
            self.earlier = tuple(self.counts)
            self.quarter, self.quarter_entered, self.quarter_left = quarter, 0, 0
        self.quarter_entered += entered
        self.quarter_left += left

    def add(self, change: SegmentChange, quarter: int) -> None:
        """Add a change in a quarter of an hour; a contact that returns to its former state is toggled."""
        self.count(change, quarter)
        if change.left:
            self._apply_moves(change.left, self.entered, self.left)
        if change.entered:
            self._apply_moves(change.entered, self.left, self.entered)

    def add_all(self, changes: Sequence[SegmentChange], quarter: int) -> None:
        """Add several changes in a quarter of an hour, in their order."""
        if len(changes) > 1 and self._unite(changes, quarter):
            return
        for change in changes:
            self.add(change, quarter)

    def _unite(self, changes: Sequence[SegmentChange], quarter: int) -> bool:
        """Add changes whatever their order, unless a contact enters or leaves more than once."""
        entered, left = _Union(self.entered), _Union(self.left)
        for change in changes:
            entered.add(change.entered)
            left.add(change.left)
        if not (entered.join() and left.join()):
            return False
        both = entered.union & left.union
        self.entered, self.left = entered.union - both, left.union - both
        self.toggled |= both
        self._count(entered.added, left.added, quarter)
        return True

    def _apply_moves(self, keys: DenseKeys, undone: BitMap, done: BitMap) -> None:
        if len(keys) < _FEW_KEYS:
            for pk in keys:
                if pk in undone:
                    undone.discard(pk)
                    self.toggled.add(pk)
                else:
                    done.add(pk)
            return
        moved = keys if isinstance(keys, BitMap) else BitMap(keys)
        back = undone & moved
        undone -= back
        self.toggled |= back
        done |= moved - back


class _Union:
    """A union of many keys, which costs a fiftieth of adding them one after the other."""

    __slots__ = ("_bitmaps", "_single", "added", "union")

    def __init__(self, first: BitMap) -> None:
        self.union, self.added = first, 0
        self._bitmaps, self._single = [first], list[int]()

    def add(self, keys: DenseKeys) -> None:
        """Add keys."""
        if type(keys) is BitMap:
            self._bitmaps.append(keys)
        else:
            self._single += keys

    def join(self) -> bool:
        """Compute the union and how many keys were added; return whether each was new."""
        known = len(self.union)
        self.added = sum(map(len, self._bitmaps)) + len(self._single) - known
        self.union = BitMap.union(*self._bitmaps, BitMap(self._single))
        return len(self.union) == known + self.added


# The number of sums that are in memory at once.
_ROWS_PER_READ: Final = 50
_AFTER_ANY_ENTRY: Final = 2**62
_c = membership_log_sums.c
_INSERT = bulk.build_insert(membership_log_sums)
_ENDING_AFTER = (
    _c.workspace == bindparam("workspace"),
    _c.segment == bindparam("segment"),
    _c.last_entry > bindparam("after"),
)
_SPANS = Statement(select(_c.first_entry, _c.last_entry).where(*_ENDING_AFTER).order_by(_c.last_entry))
_SUMS_BACKWARDS = Statement(
    select(_c.first_entry, _c.last_entry, _c.entered, _c.exited, _c.toggled)
    .where(*_ENDING_AFTER, _c.last_entry < bindparam("before"))
    .order_by(_c.last_entry.desc())
    .limit(bindparam("limit"))
)


async def add(tenant: Tenant, last: int, net_changes: Sequence[tuple[int, NetChange]]) -> None:
    """Store the net changes of segments that end with an entry, and their counts."""
    values = [
        {
            "segment": segment,
            "first_entry": net_change.first_entry,
            "last_entry": last,
            "entered": net_change.entered.serialize(),
            "exited": net_change.left.serialize(),
            "toggled": net_change.toggled.serialize() if net_change.toggled else None,
        }
        for segment, net_change in net_changes
    ]
    await _INSERT.execute(tenant, values)
    counted = [(segment, net_change.first_entry, net_change.counts) for segment, net_change in net_changes]
    await log_counts.add(tenant, last, counted)


async def load_spans(tenant: Tenant, segment: int, after: int) -> list[tuple[int, int]]:
    """Return the spans of entries that change a segment, each its first and last entry, in order.

    Spans that end at `after` or before are left out, and so are entries that are not yet compacted.
    """
    return [(row[0], row[1]) for row in await tenant.fetch_all(_SPANS, segment=segment, after=after)]


async def iterate_backwards(tenant: Tenant, segment: int, after: int) -> AsyncIterator[tuple[int, NetChange]]:
    """Yield the net changes of a segment that end after an entry, last first, each with its last entry."""
    before = _AFTER_ANY_ENTRY
    while True:
        rows = await tenant.fetch_all(
            _SUMS_BACKWARDS, segment=segment, after=after, before=before, limit=_ROWS_PER_READ
        )
        for first, last, *bitmaps in rows:
            entered, left, toggled = map(_decode_bitmap, bitmaps)
            yield last, NetChange(first, entered, left, toggled)
        if len(rows) < _ROWS_PER_READ:
            return
        before = rows[-1][1]


def _decode_bitmap(stored: bytes | None) -> BitMap:
    return BitMap() if stored is None else BitMap.deserialize(bytes(stored))
