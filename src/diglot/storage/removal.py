"""Deletes the rows of a whole workspace from every table that has a workspace column, in parts.

The tables are those of the schema's metadata, so a new table cannot be forgotten.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    true,
    tuple_,
    update,
)

from diglot.conditions.relative_dates import NEVER
from diglot.model.segments import SegmentType
from diglot.storage import workspaces
from diglot.storage.schema import (
    ephemeral_metadata,
    keys,
    metadata,
    segments,
    sessions,
    webhooks,
    workspace_profiles,
)
from diglot.storage.schema import workspaces as workspace_rows
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

ROWS_PER_PART: Final = 500


def _list_tables() -> Sequence[Table]:
    """Return the tables of a workspace's rows, those that refer to others first."""
    kept = (workspace_profiles, workspace_rows)
    return [t for t in reversed(metadata.sorted_tables) if "workspace" in t.c and t not in kept]


TABLES: Final = _list_tables()
EPHEMERAL_TABLES: Final = [t for t in ephemeral_metadata.sorted_tables if "workspace" in t.c]


def _delete_part_of(table: Table) -> Statement:
    in_workspace = table.c.workspace == bindparam("workspace")
    key = [column for column in table.primary_key.columns if column.name != "workspace"]
    # Without another column in its key, a table has one row for a workspace.
    some: ColumnElement[bool] = true()
    if key:
        row = key[0] if len(key) == 1 else tuple_(*key)
        some = row.in_(select(*key).where(in_workspace).limit(bindparam("limit")))
    return Statement(delete(table).where(in_workspace, some).returning(literal_column("1")))


_DELETE_PARTS: Final = {table.name: _delete_part_of(table) for table in TABLES}
_COUNTS: Final = [
    Statement(select(func.count()).select_from(table).where(table.c.workspace == bindparam("workspace")))
    for table in TABLES
]
_END_ACCESS: Final = [
    Statement(delete(table).where(table.c.workspace == bindparam("workspace"))) for table in (keys, sessions)
]
# A static segment has nothing to verify, and time does not change it.
_FREEZE_SEGMENTS: Final = Statement(
    update(segments)
    .where(segments.c.workspace == bindparam("in_workspace"))
    .values(
        type=SegmentType.STATIC.value,
        members=func.coalesce(segments.c.members, 0),
        next_change_at=NEVER,
    )
)


# Nothing is sent any more.
_CLOSE_WEBHOOKS: Final = Statement(
    update(webhooks)
    .where(webhooks.c.workspace == bindparam("in_workspace"))
    .values(active=False, leased_until=NEVER)
)
_DELETE_EPHEMERAL: Final = [
    Statement(delete(table).where(table.c.workspace == bindparam("workspace"))) for table in EPHEMERAL_TABLES
]


async def count_rows(tenant: Tenant) -> int:
    """Return how many rows a workspace has in all tables together."""
    rows = [await tenant.fetch_one(statement) for statement in _COUNTS]
    return sum(row[0] for row in rows if row is not None)


async def begin(tenant: Tenant) -> None:
    """Delete the keys and the sessions of a workspace, and leave nothing for background work to do."""
    await workspaces.begin_deletion(tenant)
    for statement in (*_END_ACCESS, _FREEZE_SEGMENTS, _CLOSE_WEBHOOKS):
        await tenant.execute(statement)


async def delete_part(tenant: Tenant, table: str) -> int:
    """Delete some rows of a workspace in a table; return how many there were, 0 if none is left."""
    return len(await tenant.fetch_all(_DELETE_PARTS[table], limit=ROWS_PER_PART))


async def delete_ephemeral(tenant: Tenant) -> None:
    """Delete the rows of a workspace in the ephemeral tables."""
    for statement in _DELETE_EPHEMERAL:
        await tenant.execute(statement)
