"""Where each table is on Citus; each follows from its key, so that a new table needs no entry here.

A row that belongs to a workspace is on the node of its workspace, also an ephemeral one. What is read before
the workspace is known is copied to every node. The leases are read all together, so they are in one shard.
"""

from typing import Final

import sqlalchemy
from sqlalchemy import Table

from diglot.storage.schema.access import sessions
from diglot.storage.schema.attribute_keys import attribute_keys
from diglot.storage.schema.background import leases
from diglot.storage.schema.base import ephemeral_metadata, metadata
from diglot.storage.schema.core import keys, workspace_profiles, workspaces
from diglot.storage.schema.events import event_names, event_states
from diglot.storage.schema.webhooks import webhook_sources
from diglot.storage.sql.database import TablePlacement

# Small tables that rarely change.
_COPIED: Final = (workspace_profiles, keys, sessions, webhook_sources)
# Tables that the migration which makes them fills, from others that may be distributed already.
_FILLED_WHEN_MADE: Final = (attribute_keys, event_names, event_states)
_REVISION: Final = sqlalchemy.table("alembic_version")


def list_placements() -> list[TablePlacement]:
    """Return the placements of all tables, those that others refer to first."""
    return [
        TablePlacement(_REVISION, may_have_rows=True),
        *map(_place, metadata.sorted_tables),
        *map(_place, ephemeral_metadata.sorted_tables),
    ]


def _place(table: Table) -> TablePlacement:
    if table in _COPIED:
        return TablePlacement(table)
    # A server fills ephemeral tables as soon as they exist, and their rows are copied in no time.
    may_have_rows = table.metadata is ephemeral_metadata or table in _FILLED_WHEN_MADE
    if table is leases:
        return TablePlacement(table, leases.c.work.name, shards=1, may_have_rows=may_have_rows)
    assert "workspace" in table.primary_key.columns, f"nothing says where {table.name} is"
    beside = None if table is workspaces else workspaces.name
    return TablePlacement(table, "workspace", beside, may_have_rows=may_have_rows)
