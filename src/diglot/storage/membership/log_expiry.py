"""What of the history is no longer kept: rows of the log, their sums, and the ids of what only it named."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, bindparam, delete, select, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage import workspaces
from diglot.storage.schema import (
    departed_contacts,
    departed_segments,
    membership_log,
    segment_history,
    segments,
)
from diglot.storage.schema import workspaces as rows
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

# So much is deleted in one transaction.
ROWS: Final = 1_000
_l, _h, _d, _w = membership_log.c, segment_history.c, departed_contacts.c, rows.c
_s = departed_segments.c
_OLDEST = Statement(
    select(_l.last, _l.happened_at)
    .where(_l.workspace == bindparam("workspace"))
    .order_by(_l.entry)
    .limit(bindparam("limit"))
)
_FORGET_LOG = Statement(
    delete(membership_log).where(_l.workspace == bindparam("workspace"), _l.entry <= bindparam("until"))
)
_BEGIN_AFTER = Statement(
    update(rows)
    .where(_w.workspace == bindparam("in_workspace"))
    .values(history_entry=bindparam("entry"), history_since=bindparam("since"))
)
_FORGET_SEGMENTS = Statement(
    delete(departed_segments).where(_s.workspace == bindparam("workspace"), _s.last <= bindparam("until"))
)
_SEGMENTS = Statement(
    select(segments.c.segment)
    .where(segments.c.workspace == bindparam("workspace"))
    .order_by(segments.c.segment)
)
_FORGET_SUMS = Statement(
    delete(segment_history).where(
        _h.workspace == bindparam("workspace"),
        _h.segment == bindparam("of_segment"),
        _h.last <= bindparam("until"),
    )
)
_DEPARTED = Statement(
    select(_d.pk)
    .where(_d.workspace == bindparam("workspace"), _d.happened_at < bindparam("before"))
    .order_by(_d.pk)
    .limit(bindparam("limit"))
)


def _forget_departed(backend: Backend) -> ClauseElement:
    among = backend.is_any(_d.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
    return delete(departed_contacts).where(_d.workspace == bindparam("workspace"), among)


_FORGET_DEPARTED = BackendStatement(_forget_departed)


@dataclass(frozen=True, slots=True)
class LogRow:
    """When a row of the log was written, and the last of its numbers."""

    last: int
    happened_at: int


async def oldest(transaction: Transaction, workspace: int, limit: int | None = None) -> list[LogRow]:
    """Return the oldest rows of the log, in their order, so many as are deleted at once."""
    values = {"workspace": workspace, "limit": limit or ROWS}
    return [LogRow(*row) for row in await transaction.rows(_OLDEST, values)]


async def segments_of(transaction: Transaction, workspace: int) -> list[int]:
    """Return the numbers of all segments."""
    return [row[0] for row in await transaction.rows(_SEGMENTS, {"workspace": workspace})]


async def forget_log(transaction: Transaction, workspace: int, until: LogRow) -> None:
    """Delete the rows up to one and the sums that end with it or before: the history is complete after it."""
    state = await workspaces.state(transaction, workspace)
    since = max(state.history_since, until.happened_at)
    values = {"workspace": workspace, "until": until.last}
    await transaction.run(_FORGET_LOG, values)
    await transaction.run(_FORGET_SEGMENTS, values)
    if numbers := await segments_of(transaction, workspace):
        await transaction.run_many(_FORGET_SUMS, [values | {"of_segment": number} for number in numbers])
    begins = {"in_workspace": workspace, "entry": until.last, "since": since}
    await transaction.run(_BEGIN_AFTER, begins)


async def departed(transaction: Transaction, workspace: int, before: int) -> list[int]:
    """Return the keys of some contacts that were deleted before an instant."""
    found = await transaction.rows(_DEPARTED, {"workspace": workspace, "before": before, "limit": ROWS})
    return [row[0] for row in found]


async def forget_departed(transaction: Transaction, workspace: int, pks: Iterable[int]) -> None:
    """Forget the ids of deleted contacts."""
    values = {"workspace": workspace, "pks": transaction.backend.encode_list(list(pks))}
    await transaction.run(_FORGET_DEPARTED, values)
