"""Metrics over all workspaces."""

from functools import reduce
from typing import Final, cast

from sqlalchemy import BigInteger, FromClause, Subquery, bindparam, func, select, true
from sqlalchemy import cast as cast_to

from diglot.model.metrics import Metrics
from diglot.storage.schema import deliveries, segments, verifications, workspaces
from diglot.storage.schema.core import IS_DYNAMIC, IS_PENDING
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_s, _v, _w = segments.c, verifications.c, workspaces.c
_VERIFICATIONS: Final = ("verified_segments", "repaired_segments", "repaired_contacts")


def _sum_column(column: Expression) -> Expression:
    return cast_to(func.coalesce(func.sum(column), 0), BigInteger()).label(column.name)


# One row each. A condition that a partial index has stands alone, because the index then counts.
_PARTS: Final[tuple[Subquery, ...]] = (
    select(*(_sum_column(_v[name]) for name in _VERIFICATIONS)).subquery("verified"),
    select(
        func.min(_w.next_change_at).filter(_w.next_change_at <= bindparam("now")).label("due_since"),
        _sum_column(_w.uncompacted_changes),
    ).subquery("clocks"),
    select(func.min(_s.last_calculated_at).label("oldest_evaluation")).where(IS_DYNAMIC).subquery("oldest"),
    select(func.count().label("pending_segments"))
    .select_from(segments)
    .where(IS_PENDING)
    .subquery("pending"),
    select(func.count().label("waiting_deliveries"))
    .select_from(deliveries)
    .where(deliveries.c.due_at.is_not(None))
    .subquery("waiting"),
)
_NAMES: Final = tuple(column.name for part in _PARTS for column in part.c)


_METRICS: Final = Statement(
    select(*(column for part in _PARTS for column in part.c)).select_from(
        reduce(lambda joined, part: joined.join(part, true()), _PARTS[1:], cast(FromClause, _PARTS[0]))
    )
)


async def load(transaction: Transaction, now: int) -> Metrics:
    """Return the metrics at an instant."""
    row = await transaction.fetch_one(_METRICS, {"now": now})
    assert row is not None
    return Metrics(now=now, **dict(zip(_NAMES, row, strict=True)))
