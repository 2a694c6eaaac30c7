"""Rows of the history of memberships: what the log says of one segment between two foldings, in sum."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from pyroaring import BitMap
from sqlalchemy import bindparam, select

from diglot.membership.log_delta import Net
from diglot.storage.schema import segment_history
from diglot.storage.sql import bulk
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

# So many rows are in memory together.
_PART: Final = 50
_NO_END: Final = 2**62
_c = segment_history.c
_INSERT = bulk.inserting(segment_history)
_OF = (
    _c.workspace == bindparam("workspace"),
    _c.segment == bindparam("segment"),
    _c.last > bindparam("after"),
)
_SPANS = Statement(select(_c.first, _c.last).where(*_OF).order_by(_c.last))
_BACKWARDS = Statement(
    select(_c.first, _c.last, _c.entered, _c.departed, _c.passed)
    .where(*_OF, _c.last < bindparam("before"))
    .order_by(_c.last.desc())
    .limit(bindparam("limit"))
)


async def add(transaction: Transaction, workspace: int, last: int, nets: Sequence[tuple[int, Net]]) -> None:
    """Note the sums of segments up to an entry, each since the entry that it begins with."""
    values = [
        {
            "workspace": workspace,
            "segment": segment,
            "first": net.first,
            "last": last,
            "entered": net.entered.serialize(),
            "departed": net.left.serialize(),
            "passed": net.passed.serialize() if net.passed else None,
        }
        for segment, net in nets
    ]
    await _INSERT.run(transaction, values)


async def spans(transaction: Transaction, workspace: int, segment: int, after: int) -> list[tuple[int, int]]:
    """Return where the log says something of a segment: the entries from and to, in their order.

    Those that end with an entry or before are left out; what is not folded yet is not among them.
    """
    values = {"workspace": workspace, "segment": segment, "after": after}
    return [(row[0], row[1]) for row in await transaction.rows(_SPANS, values)]


async def backwards(
    transaction: Transaction, workspace: int, segment: int, after: int
) -> AsyncIterator[tuple[int, Net]]:
    """Yield the sums of a segment that end after an entry, the last first, each with its last entry."""
    before = _NO_END
    while True:
        values = {"workspace": workspace, "segment": segment, "after": after, "before": before}
        rows = await transaction.rows(_BACKWARDS, values | {"limit": _PART})
        for first, last, *bitmaps in rows:
            yield last, Net(first, *map(_read, bitmaps))
        if len(rows) < _PART:
            return
        before = rows[-1][1]


def _read(stored: bytes | None) -> BitMap:
    return BitMap() if stored is None else BitMap.deserialize(bytes(stored))
