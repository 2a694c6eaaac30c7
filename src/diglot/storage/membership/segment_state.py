"""What the row of a segment says about its membership: the member count and its next change by time."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import BigInteger, Column, and_, bindparam, case, func, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions.relative_dates import NEVER
from diglot.storage import bulk
from diglot.storage.schema import lists, segments, workspaces
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

_c, _w = segments.c, workspaces.c
_ALL = (
    select(
        *(_c.segment, _c.id, _c.name, _c.type, func.coalesce(_c.expanded, _c.tree), _c.members),
        *(_c.list, lists.c.id, _c.invalid, _c.tree),
    )
    .join(
        lists,
        and_(lists.c.workspace == bindparam("workspace"), lists.c.list == _c.list),
        isouter=True,
    )
    .where(_c.workspace == bindparam("workspace"))
    .order_by(_c.segment)
)
_SELECT_ALL = Statement(_ALL)


def _select_some(backend: Backend) -> ClauseElement:
    return _ALL.where(
        backend.one_of(_c.segment, [], BigInteger(), lambda _, kind: bindparam("segments", type_=kind))
    )


_SELECT_SOME = BackendStatement(_select_some)
_SELECT_NEXT_CHANGES = Statement(
    select(_c.segment, _c.next_change_at).where(
        _c.workspace == bindparam("workspace"), _c.next_change_at < NEVER
    )
)
_SELECT_COUNT = Statement(
    select(
        *(_c.segment, _c.members, _c.next_change_at, _c.revision, _c.type, _c.tree, _c.invalid),
        *(_w.evaluated_at, _w.compacted_entry, _w.next_entry),
    )
    .join(workspaces, _w.workspace == bindparam("workspace"))
    .where(_c.workspace == bindparam("workspace"), _c.id == bindparam("id"), _c.list.is_(None))
)
_KEY_COLUMNS = ("segment",)
_VALUE: Final = Column("value", BigInteger)


def _set_column(name: str, make: bulk.ColumnSetter) -> bulk.BulkStatement:
    return bulk.build_update(segments, _KEY_COLUMNS, [_VALUE], {name: make})


# The history of a segment begins when its members are stored for the first time.
_SET_MEMBERS = bulk.build_update(
    segments,
    _KEY_COLUMNS,
    [_VALUE, Column("last_entry", BigInteger)],
    {
        "members": lambda sent: sent["value"],
        "history_since_entry": lambda sent: func.coalesce(_c.history_since_entry, sent["last_entry"]),
    },
)
_CLEAR_MEMBERS = _set_column("members", lambda sent: sent["value"])
_ADD_MEMBERS = _set_column("members", lambda sent: _c.members + sent["value"])
_SET_NEXT = _set_column("next_change_at", lambda sent: sent["value"])
_LOWER_NEXT = _set_column(
    "next_change_at",
    lambda sent: case((_c.next_change_at > sent["value"], sent["value"]), else_=_c.next_change_at),
)


async def _update_segments(
    tenant: Tenant, statement: bulk.BulkStatement, values: Mapping[int, int] | Mapping[int, int | None]
) -> None:
    rows = [{"segment": segment, "value": value} for segment, value in values.items()]
    await statement.execute(tenant, rows)


async def load_all(tenant: Tenant) -> Sequence[Row]:
    """Return the rows of all segments, by number.

    Each has number, id, name, type, evaluated tree, members, list, its id, `invalid` and the rules' own tree.
    """
    return await tenant.fetch_all(_SELECT_ALL)


async def load_some(tenant: Tenant, numbers: Collection[int]) -> Sequence[Row]:
    """Return the same of the segments of some numbers; one that does not exist is left out."""
    return await tenant.fetch_all(_SELECT_SOME, segments=tenant.backend.encode_list(sorted(numbers)))


async def load_next_changes(tenant: Tenant) -> Sequence[Row]:
    """Return each segment that time changes, and when."""
    return await tenant.fetch_all(_SELECT_NEXT_CHANGES)


async def load_count(tenant: Tenant, id_: str) -> Row | None:
    """Return the columns of a segment and its workspace from which its count is computed, or None."""
    return await tenant.fetch_one(_SELECT_COUNT, id=id_)


async def set_members(unit: WriteUnit, members: Mapping[int, int]) -> None:
    """Store the member counts of segments; the first count begins the history of a segment."""
    last = unit.last_entry
    rows = [{"segment": number, "value": count, "last_entry": last} for number, count in members.items()]
    await _SET_MEMBERS.execute(unit, rows)


async def clear_members(tenant: Tenant, segment: int) -> None:
    """Mark a segment as not evaluated."""
    await _update_segments(tenant, _CLEAR_MEMBERS, {segment: None})


async def add_members(tenant: Tenant, more: Mapping[int, int]) -> None:
    """Add to the member counts of segments."""
    await _update_segments(tenant, _ADD_MEMBERS, more)


async def set_next_changes(tenant: Tenant, instants: Mapping[int, int]) -> None:
    """Store when time changes segments next."""
    await _update_segments(tenant, _SET_NEXT, instants)


async def lower_next_changes(tenant: Tenant, instants: Mapping[int, int]) -> None:
    """Store when time changes segments next, if that is earlier than the stored instant."""
    await _update_segments(tenant, _LOWER_NEXT, instants)
