"""Finds due background work in the workspaces of a scope."""

from typing import Any, Final

import msgspec
from sqlalchemy import Select, and_, bindparam, select

from diglot.storage.schema import membership_log, segments, workspace_profiles, workspaces
from diglot.storage.schema.core import IS_DYNAMIC, IS_PENDING
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.sweeps import EVERYWHERE, Restriction, Scope, SweepStatement
from diglot.storage.tenant import Tenant

_MAX_SEGMENTS: Final = 100
_w, _s, _l, _p = workspaces.c, segments.c, membership_log.c, workspace_profiles.c
_DUE_WORKSPACES = SweepStatement(
    lambda _: (
        select(_w.workspace)
        .where(_w.next_change_at <= bindparam("now"), _w.evaluated_at <= bindparam("rested"))
        .order_by(_w.next_change_at)
    ),
    _w.workspace,
)
_PENDING_SEGMENTS = SweepStatement(
    lambda _: select(_s.workspace, _s.segment).where(IS_PENDING).order_by(_s.workspace, _s.segment),
    _s.workspace,
)
_PENDING_IN_WORKSPACE = Statement(
    select(_s.segment).where(_s.workspace == bindparam("workspace"), IS_PENDING).limit(1)
)
_DYNAMIC_SEGMENTS = Statement(
    select(_s.workspace, _s.segment, _s.id, _p.name)
    .join(workspace_profiles, _p.workspace == _s.workspace)
    .where(IS_DYNAMIC)
    .order_by(_s.workspace, _s.segment)
)
_UNVERIFIED_SEGMENTS = SweepStatement(
    lambda _: (
        select(_s.workspace, _s.segment)
        .where(IS_DYNAMIC, _s.last_calculated_at <= bindparam("before"), _s.members.is_not(None))
        .order_by(_s.last_calculated_at)
        .limit(_MAX_SEGMENTS)
    ),
    _s.workspace,
)


def _select_long_logs(restrict: Restriction) -> Select[Any]:
    last_change_at = (
        select(_l.happened_at)
        .where(_l.workspace == _w.workspace, restrict(_l.workspace))
        .order_by(_l.first_entry.desc())
        .limit(1)
        .scalar_subquery()
    )
    is_long = and_(
        _w.uncompacted_changes >= bindparam("at_least"), last_change_at <= bindparam("quiet_since")
    )
    return (
        select(_w.workspace, _w.next_pk, _w.uncompacted_changes, last_change_at)
        .where(is_long)
        .order_by(_w.workspace)
    )


_LONG_LOGS = SweepStatement(_select_long_logs, _w.workspace)


class SegmentKey(msgspec.Struct, frozen=True):
    """A segment by workspace number and its own number."""

    workspace: int
    segment: int


class LongLog(msgspec.Struct, frozen=True):
    """A workspace with a long log: the number of its uncompacted changes, and when the last one was made."""

    workspace: int
    next_pk: int
    uncompacted: int
    last_change_at: int


async def list_due_workspaces(transaction: Transaction, scope: Scope, now: int, rested: int) -> list[int]:
    """Return the workspaces where time changes a stored membership by now, longest overdue first.

    Workspaces whose clock ticked after `rested` are left out.
    """
    rows = await _DUE_WORKSPACES.fetch_all(transaction, scope, {"now": now, "rested": rested})
    return [row[0] for row in rows]


async def list_pending_segments(transaction: Transaction, scope: Scope = EVERYWHERE) -> list[SegmentKey]:
    """Return the segments that are not evaluated yet."""
    return [SegmentKey(*row) for row in await _PENDING_SEGMENTS.fetch_all(transaction, scope)]


async def has_pending_segments(tenant: Tenant) -> bool:
    """Tell whether a workspace has segments that are not evaluated yet."""
    return await tenant.fetch_one(_PENDING_IN_WORKSPACE) is not None


async def list_dynamic_segments(transaction: Transaction) -> list[tuple[SegmentKey, str, str]]:
    """Return all dynamic segments, each with its id and the name of its workspace."""
    rows = await transaction.fetch_all(_DYNAMIC_SEGMENTS)
    return [(SegmentKey(workspace, number), id_, name) for workspace, number, id_, name in rows]


async def list_unverified_segments(transaction: Transaction, scope: Scope, before: int) -> list[SegmentKey]:
    """Return some dynamic segments whose last full evaluation was before an instant, oldest first."""
    rows = await _UNVERIFIED_SEGMENTS.fetch_all(transaction, scope, {"before": before})
    return [SegmentKey(*row) for row in rows]


async def list_long_logs(
    transaction: Transaction, scope: Scope, at_least: int, quiet_since: int
) -> list[LongLog]:
    """Return the workspaces with many uncompacted changes, none of them later than an instant."""
    rows = await _LONG_LOGS.fetch_all(transaction, scope, {"at_least": at_least, "quiet_since": quiet_since})
    return [LongLog(*row) for row in rows]
