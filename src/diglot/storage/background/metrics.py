"""Metrics over all workspaces."""

from typing import Final

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy import cast as cast_to

from diglot.model.metrics import Metrics
from diglot.storage.schema import deliveries, segments, verifications, workspaces
from diglot.storage.schema.core import IS_DYNAMIC, IS_PENDING
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_s, _v, _w = segments.c, verifications.c, workspaces.c


def _sum_column(column: Expression) -> Expression:
    return cast_to(func.coalesce(func.sum(column), 0), BigInteger())


_STATEMENTS: Final = {
    "verified_segments": select(_sum_column(_v.verified_segments)),
    "repaired_segments": select(_sum_column(_v.repaired_segments)),
    "repaired_contacts": select(_sum_column(_v.repaired_contacts)),
    "oldest_evaluation": select(func.min(_s.last_calculated_at)).where(IS_DYNAMIC),
    "due_since": select(func.min(_w.next_change_at)).where(_w.next_change_at <= bindparam("now")),
    "pending_segments": select(func.count()).select_from(segments).where(IS_PENDING),
    "uncompacted_changes": select(_sum_column(_w.uncompacted_changes)),
    "waiting_deliveries": select(func.count())
    .select_from(deliveries)
    .where(deliveries.c.due_at.is_not(None)),
}
_COMPILED_STATEMENTS: Final = {name: Statement(statement) for name, statement in _STATEMENTS.items()}


async def load(transaction: Transaction, now: int) -> Metrics:
    """Return the metrics at an instant."""
    figures = {}
    for name, statement in _COMPILED_STATEMENTS.items():
        row = await transaction.fetch_one(statement, {"now": now})
        assert row is not None
        figures[name] = row[0]
    return Metrics(now=now, **figures)
