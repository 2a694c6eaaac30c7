"""Rows of the history of memberships: what the log says of one segment between two foldings, in sum."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap
from sqlalchemy import bindparam, select

from diglot.storage.membership.changes import DenseKeys, SegmentChange
from diglot.storage.schema import membership_log_sums
from diglot.storage.sql import bulk
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

# Toggling keys one by one is faster than algebra on bitmaps for so many.
_FEW_KEYS: Final = 8


@dataclass(slots=True)
class NetChange:
    """The net change of one segment: who came, who went, and who did both since `first`."""

    first_entry: int
    entered: BitMap
    left: BitMap
    toggled: BitMap

    @classmethod
    def starting_at(cls, first: int) -> "NetChange":
        """Return no change yet."""
        return cls(first, BitMap(), BitMap(), BitMap())

    def copy(self) -> "NetChange":
        """Return an equal one to go on with."""
        return NetChange(self.first_entry, BitMap(self.entered), BitMap(self.left), BitMap(self.toggled))

    def mentions(self, pk: int) -> bool:
        """Tell whether a contact came or went."""
        return pk in self.entered or pk in self.left or pk in self.toggled

    def add(self, change: SegmentChange) -> None:
        """Note who left and who entered: a transition takes back the opposite one where that is noted."""
        self._apply_moves(change.left, self.entered, self.left)
        self._apply_moves(change.entered, self.left, self.entered)

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


# So many rows are in memory together.
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


async def add(
    transaction: Transaction, workspace: int, last: int, nets: Sequence[tuple[int, NetChange]]
) -> None:
    """Note the sums of segments up to an entry, each since the entry that it begins with."""
    values = [
        {
            "workspace": workspace,
            "segment": segment,
            "first_entry": net.first_entry,
            "last_entry": last,
            "entered": net.entered.serialize(),
            "exited": net.left.serialize(),
            "toggled": net.toggled.serialize() if net.toggled else None,
        }
        for segment, net in nets
    ]
    await _INSERT.execute(transaction, values)


async def load_spans(
    transaction: Transaction, workspace: int, segment: int, after: int
) -> list[tuple[int, int]]:
    """Return where the log says something of a segment: the entries from and to, in their order.

    Those that end with an entry or before are left out; what is not folded yet is not among them.
    """
    values = {"workspace": workspace, "segment": segment, "after": after}
    return [(row[0], row[1]) for row in await transaction.fetch_all(_SPANS, values)]


async def iterate_backwards(
    transaction: Transaction, workspace: int, segment: int, after: int
) -> AsyncIterator[tuple[int, NetChange]]:
    """Yield the sums of a segment that end after an entry, the last first, each with its last entry."""
    before = _AFTER_ANY_ENTRY
    while True:
        values = {"workspace": workspace, "segment": segment, "after": after, "before": before}
        rows = await transaction.fetch_all(_SUMS_BACKWARDS, values | {"limit": _ROWS_PER_READ})
        for first, last, *bitmaps in rows:
            yield last, NetChange(first, *map(_decode_bitmap, bitmaps))
        if len(rows) < _ROWS_PER_READ:
            return
        before = rows[-1][1]


def _decode_bitmap(stored: bytes | None) -> BitMap:
    return BitMap() if stored is None else BitMap.deserialize(bytes(stored))
