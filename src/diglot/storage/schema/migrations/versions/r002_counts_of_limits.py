"""Count the segments, rules and lists of each workspace in its row, because limits apply to them."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "r002"
down_revision = "r001"
branch_labels = None
depends_on = None

_COUNTS = ("segment_count", "rule_count", "list_count")
_workspaces = sa.table("workspaces", sa.column("workspace"), *(sa.column(name) for name in _COUNTS))
_segments = sa.table("segments", sa.column("workspace"), sa.column("tree"))
_lists = sa.table("lists", sa.column("workspace"))


def _count_predicates(node: dict[str, Any]) -> int:
    if node["type"] == "predicate":
        return 1
    return sum(map(_count_predicates, [node["item"]] if node["type"] == "not" else node["items"]))


def _count_rules(tree: str) -> int:
    """Return the number of rules that a stored condition counts as."""
    return max(_count_predicates(json.loads(tree)), len(tree) // 1_000)


def upgrade() -> None:
    """Add the counts, and an index for the keys of a workspace."""
    for name in _COUNTS:
        op.add_column("workspaces", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.create_index("keys_by_workspace", "keys", ["workspace"])
    connection = op.get_bind()
    counts: dict[int, dict[str, int]] = {}
    for workspace, tree in connection.execute(sa.select(_segments.c.workspace, _segments.c.tree)):
        row = counts.setdefault(workspace, dict.fromkeys(_COUNTS, 0))
        row["segment_count"] += 1
        row["rule_count"] += _count_rules(tree)
    listed = sa.select(_lists.c.workspace, sa.func.count()).group_by(_lists.c.workspace)
    for workspace, number in connection.execute(listed):
        counts.setdefault(workspace, dict.fromkeys(_COUNTS, 0))["list_count"] = number
    for workspace, row in counts.items():
        update = sa.update(_workspaces).where(_workspaces.c.workspace == workspace)
        connection.execute(update.values(row))
