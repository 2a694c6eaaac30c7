"""Where each table is on Citus; each follows from its key, so that a new table needs no entry here.

A row that belongs to a workspace is on the node of its workspace. What is read before the workspace is known
is copied to every node, and ephemeral rows are on the node of their key. The leases are read all together, so
they are in one shard.
"""

from typing import Final

import sqlalchemy
from sqlalchemy import Table

from diglot.storage.schema.access import sessions
from diglot.storage.schema.background import leases
from diglot.storage.schema.base import ephemeral_metadata, metadata
from diglot.storage.schema.core import keys, workspace_profiles, workspaces
from diglot.storage.sql.database import TablePlacement

# Small tables that rarely change.
_COPIED: Final = (workspace_profiles, keys, sessions)
_REVISION: Final = sqlalchemy.table("alembic_version")


def list_placements() -> list[TablePlacement]:
    """Return the placements of all tables, those that others refer to first."""
    return [
        TablePlacement(_REVISION, may_have_rows=True),
        *map(_place, metadata.sorted_tables),
        *map(_place_ephemeral, ephemeral_metadata.sorted_tables),
    ]


def _place(table: Table) -> TablePlacement:
    if table in _COPIED:
        return TablePlacement(table)
    assert "workspace" in table.primary_key.columns, f"nothing says where {table.name} is"
    return TablePlacement(table, "workspace", None if table is workspaces else workspaces.name)


def _place_ephemeral(table: Table) -> TablePlacement:
    first, *_ = table.primary_key.columns
    shards = 1 if table is leases else None
    return TablePlacement(table, first.name, shards=shards, may_have_rows=True)
