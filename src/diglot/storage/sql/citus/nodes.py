"""On which node of Citus each workspace is, from the catalogue that every node has."""

from typing import Final

from sqlalchemy import text

from diglot.storage.sql.backend import WorkspaceNodes

# A database without Citus has no such table, and may not parse the second statement.
_HAS_CATALOGUE = text("SELECT to_regclass('pg_dist_placement') IS NOT NULL")
# Citus refuses to name a shard of a table that is not distributed, so the function waits for that row.
_NODES = text(
    "SELECT sent.number, placement.groupid "
    "FROM unnest(CAST(:numbers AS int[])) AS sent (number) "
    "JOIN pg_dist_partition AS parted "
    "ON parted.logicalrelid = to_regclass('workspaces') AND parted.partkey IS NOT NULL "
    "JOIN pg_dist_placement AS placement ON placement.shardid = CASE WHEN parted.partkey IS NOT NULL "
    "THEN get_shard_id_for_distribution_column(parted.logicalrelid, sent.number) END "
    "ORDER BY sent.number"
)
WORKSPACE_NODES: Final = WorkspaceNodes(_HAS_CATALOGUE, _NODES)
