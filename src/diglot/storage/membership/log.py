"""Rows of the log of memberships: who entered and left what, by which write, in sequence without gaps.

The log is written with the change itself and read by overlays, by folding and by everyone who asks what
happened. It is kept for the time that the operator allows.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select

from diglot.membership.log_delta import Mark, Row
from diglot.model.membership_changes import Cause, Moment
from diglot.storage import workspaces
from diglot.storage.membership import changes
from diglot.storage.membership.changes import Change
from diglot.storage.schema import membership_log
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
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

# So many rows are read at once.
_PART: Final = 1_000
_first = membership_log.alias("first").c
_HOLDING = (
    select(func.coalesce(func.max(_first.entry), 0))
    .where(_first.workspace == bindparam("workspace"), _first.entry <= bindparam("number"))
    .scalar_subquery()
)
_SPAN = (
    select(_l.entry, _l.last, _l.happened_at, _l.cause, _l.body)
    .where(_HERE, _l.entry >= _HOLDING, _l.entry <= bindparam("until"))
    .limit(bindparam("limit"))
)
_ONWARDS = Statement(_SPAN.order_by(_l.entry))
_BACKWARDS = Statement(_SPAN.order_by(_l.entry.desc()))
_HAPPENED = Statement(
    select(_l.happened_at).where(_HERE, _l.entry <= bindparam("number")).order_by(_l.entry.desc()).limit(1)
)


@dataclass(frozen=True, slots=True)
class Written:
    """A row of the log with its numbers: what one write did, when and why."""

    entry: int
    last: int
    moment: Moment
    body: bytes

    def parts(self, after: int, until: int) -> Iterator[tuple[int, Change]]:
        """Yield what has numbers after one up to another, each part with its first number."""
        first = self.entry
        for change in changes.decode(self.body):
            begin, end = max(after + 1 - first, 0), min(until + 1 - first, change.numbers)
            if begin < end:
                yield first + begin, change.part(begin, end)
            first += change.numbers

    def of(self, segment: int, after: int, until: int) -> list[Change]:
        """Return what has numbers after one up to another and is of a segment."""
        if after < self.entry and self.last <= until:
            return changes.decode_of(self.body, segment)
        return [change for _, change in self.parts(after, until) if change.segment == segment]


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
    taken = await workspaces.lock(transaction, workspace, entries=numbers, changes=len(moved), moves=False)
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


async def onwards(transaction: Transaction, workspace: int, after: int, until: int) -> AsyncIterator[Written]:
    """Yield the rows that have numbers after one up to another, in their order."""
    while after < until:
        values = {"workspace": workspace, "number": after + 1, "until": until, "limit": _PART}
        found = [_written(row) for row in await transaction.rows(_ONWARDS, values)]
        for one in found:
            yield one
        after = found[-1].last if len(found) == _PART else until


async def backwards(
    transaction: Transaction, workspace: int, after: int, until: int
) -> AsyncIterator[Written]:
    """Yield the rows that have numbers after one up to another, the last first."""
    while after < until:
        values = {"workspace": workspace, "number": after + 1, "until": until, "limit": _PART}
        found = [_written(row) for row in await transaction.rows(_BACKWARDS, values)]
        for one in found:
            yield one
        until = found[-1].entry - 1 if len(found) == _PART else after


def _written(row: Sequence[Any]) -> Written:
    entry, last, at, cause, body = row
    return Written(entry, last, Moment(at, Cause(cause)), bytes(body))


async def last_before(transaction: Transaction, workspace: int, after: int, until: int, at: int) -> int:
    """Return the last number, after one up to another, of what happened until an instant; else the first."""
    found = 0
    for bit in reversed(range(until.bit_length())):
        tried = found + (1 << bit)
        if tried <= after or (tried <= until and await _happened(transaction, workspace, tried) <= at):
            found = tried
    return max(found, after)


async def _happened(transaction: Transaction, workspace: int, number: int) -> int:
    row = await transaction.row(_HAPPENED, {"workspace": workspace, "number": number})
    assert row is not None
    return int(row[0])
