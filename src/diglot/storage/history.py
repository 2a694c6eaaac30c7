"""Rows of the history of memberships: what the log says of one segment between two foldings, in sum."""

from collections.abc import Sequence

from diglot.storage import bulk
from diglot.storage.engine import Transaction
from diglot.storage.overlay import Net
from diglot.storage.tables import segment_history

_INSERT = bulk.inserting(segment_history)


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
