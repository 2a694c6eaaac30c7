"""Metrics over all workspaces, or over those of the nodes that answer."""

import asyncio
from collections.abc import Sequence
from functools import reduce
from typing import Any, Final, cast

from msgspec.structs import replace
from sqlalchemy import BigInteger, Column, FromClause, Select, bindparam, func, select, true
from sqlalchemy import cast as cast_to

from diglot.clock import Clock
from diglot.errors import Unavailable
from diglot.model.metrics import Metrics
from diglot.storage import workspaces as workspace_rows
from diglot.storage.background.nodes import Nodes
from diglot.storage.schema import deliveries, segments, verifications, workspaces
from diglot.storage.schema.core import IS_DYNAMIC, IS_PENDING
from diglot.storage.sql.backend import Backend, Expression
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.sweeps import LOOK_SECONDS, is_in_scope

_s, _v, _w = segments.c, verifications.c, workspaces.c
_VERIFICATIONS: Final = ("verified_segments", "repaired_segments", "repaired_contacts")


def _sum_column(column: Expression) -> Expression:
    return cast_to(func.coalesce(func.sum(column), 0), BigInteger()).label(column.name)


# One row each, with the column of its workspaces. A condition that a partial index has stands alone, because
# the index then counts.
_PARTS: Final[tuple[tuple[Select[Any], Column[Any]], ...]] = (
    (select(*(_sum_column(_v[name]) for name in _VERIFICATIONS)), _v.workspace),
    (
        select(
            func.min(_w.next_change_at).filter(_w.next_change_at <= bindparam("now")).label("due_since"),
            _sum_column(_w.uncompacted_changes),
        ),
        _w.workspace,
    ),
    (
        select(func.min(_s.last_calculated_at).label("oldest_evaluation")).where(IS_DYNAMIC),
        _s.workspace,
    ),
    (
        select(func.count().label("pending_segments")).select_from(segments).where(IS_PENDING),
        _s.workspace,
    ),
    (
        select(func.count().label("waiting_deliveries"))
        .select_from(deliveries)
        .where(deliveries.c.due_at.is_not(None)),
        deliveries.c.workspace,
    ),
)
_NAMES: Final = tuple(column.name for part, _ in _PARTS for column in part.selected_columns)
_OLDEST: Final = ("due_since", "oldest_evaluation")


def _join(parts: Sequence[Select[Any]]) -> Select[Any]:
    tables = [part.subquery(f"part_{number}") for number, part in enumerate(parts)]
    joined = reduce(lambda one, other: one.join(other, true()), tables[1:], cast(FromClause, tables[0]))
    return select(*(column for table in tables for column in table.c)).select_from(joined)


def _join_listed(backend: Backend) -> Select[Any]:
    return _join([part.where(is_in_scope(backend, workspace)) for part, workspace in _PARTS])


_METRICS: Final = Statement(_join([part for part, _ in _PARTS]))
_METRICS_OF_LISTED: Final = BackendStatement(_join_listed)


async def load(transaction: Transaction, now: int) -> Metrics:
    """Return the metrics at an instant."""
    row = await transaction.fetch_one(_METRICS, {"now": now})
    assert row is not None
    return Metrics(now=now, **dict(zip(_NAMES, row, strict=True)))


async def load_from_nodes(engine: Engine, nodes: Nodes, clock: Clock) -> Metrics | None:
    """Return the metrics of the nodes that answer; None if none does, or if the database has no nodes."""
    listed = await engine.read(workspace_rows.list_all, seconds=LOOK_SECONDS)
    divided = await nodes.divide(one.number for one in listed)
    now = clock()

    async def load_node(numbers: Sequence[int]) -> Metrics | None:
        try:
            return await engine.read(lambda tx: _load_listed(tx, now, numbers), seconds=LOOK_SECONDS)
        except Unavailable:
            return None  # the engine has logged it

    loads = [load_node(numbers) for node, numbers in divided.items() if node is not None]
    answered = [one for one in await asyncio.gather(*loads) if one is not None]
    return replace(reduce(_add, answered), is_complete=False) if answered else None


async def _load_listed(transaction: Transaction, now: int, numbers: Sequence[int]) -> Metrics:
    values = {"now": now, "scope": transaction.backend.encode_list(numbers)}
    row = await transaction.fetch_one(_METRICS_OF_LISTED, values)
    assert row is not None
    return Metrics(now=now, **dict(zip(_NAMES, row, strict=True)))


def _add(one: Metrics, other: Metrics) -> Metrics:
    added: dict[str, Any] = {
        name: getattr(one, name) + getattr(other, name) for name in _NAMES if name not in _OLDEST
    }
    for name in _OLDEST:
        added[name] = _find_oldest(getattr(one, name), getattr(other, name))
    return replace(one, **added)


def _find_oldest(*instants: int | None) -> int | None:
    return min((instant for instant in instants if instant is not None), default=None)
