"""The count of a segment that is stored, by the least reading."""

from sqlalchemy import bindparam, select

from diglot.membership import store
from diglot.model.segments import Count
from diglot.storage.schema import segments, workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c, _w = segments.c, workspaces.c
_SAVED = Statement(
    select(
        *(_c.segment, _c.members, _c.next_change_at, _c.revision),
        *(_w.evaluated_at, _w.folded_entry, _w.next_entry),
    )
    .join(workspaces, _w.workspace == _c.workspace)
    .where(_c.workspace == bindparam("workspace"), _c.id == bindparam("id"), _c.list.is_(None))
)


async def saved_count(transaction: Transaction, workspace: int, id_: str, now: int) -> Count | None:
    """Return how many members a segment has, by one read of two rows.

    None where that takes more: another id, a segment that waits to be evaluated, changes of the log that
    this process has not read, or time that may have changed who its members are.
    """
    row = await transaction.row(_SAVED, {"workspace": workspace, "id": id_})
    if row is None:
        return None
    number, stored, next_change_at, revision, evaluated_at, folded, next_entry = row
    at = max(now, evaluated_at)
    if stored is None or next_change_at <= at or now < evaluated_at - store.CLOCKS_AGREE:
        return None
    changes = store.known(transaction, workspace, folded, next_entry - 1)
    return None if changes is None else Count(changes.count(number, stored), at, revision)
