"""Rows of the log of memberships: who entered and left what, by which write, in sequence without gaps.

The log is written with the change itself and read by overlays, by folding and by everyone who asks what
happened. It is kept for the time that the operator allows.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select

from diglot.model.history import Moment
from diglot.storage import changes, workspaces
from diglot.storage.changes import Change
from diglot.storage.engine import Transaction
from diglot.storage.overlay import Mark, Row
from diglot.storage.statement import Statement
from diglot.storage.tables import membership_log
from diglot.storage.workspaces import Locked

_l = membership_log.c
_HERE = _l.workspace == bindparam("workspace")
_INSERT = Statement(insert(membership_log))
_ENDING = Statement(
    select(_l.happened_at, _l.body)
    .where(_HERE, _l.entry <= bindparam("entry"))
    .order_by(_l.entry.desc())
    .limit(1)
)
_BETWEEN = Statement(
    select(_l.last, _l.whole, _l.happened_at, _l.body)
    .where(_HERE, _l.entry > bindparam("after"), _l.entry <= bindparam("until"))
    .order_by(_l.entry)
)


async def append(
    transaction: Transaction,
    workspace: int,
    moved: Sequence[Change],
    moment: Moment,
    *,
    whole: bool = False,
) -> Locked:
    """Write what one write did; return the locked workspace, whose `entry` is the first number taken.

    Of a `whole` row the chunks must hold everything.
    """
    numbers = sum(one.numbers for one in moved)
    taken = await workspaces.lock(transaction, workspace, entries=numbers, moves=False)
    row = {
        "workspace": workspace,
        "entry": taken.entry,
        "last": taken.entry + numbers - 1,
        "happened_at": moment.at,
        "cause": moment.cause.value,
        "whole": int(whole),
        "body": changes.encode(moved),
    }
    await transaction.run(_INSERT, row)
    return taken


async def holds(transaction: Transaction, workspace: int, entry: int, mark: Mark) -> bool:
    """Tell whether the row that ends with an entry is the one of a mark."""
    row = await transaction.row(_ENDING, {"workspace": workspace, "entry": entry})
    return row is not None and (row[0], bytes(row[1])) == mark


async def between(transaction: Transaction, workspace: int, after: int, until: int) -> list[Row]:
    """Return the rows after an entry up to another; both have to be the last of a row."""
    if after >= until:
        return []
    values = {"workspace": workspace, "after": after, "until": until}
    return [
        Row(last, bool(whole), changes.decode(bytes(body)), (at, bytes(body)))
        for last, whole, at, body in await transaction.rows(_BETWEEN, values)
    ]
