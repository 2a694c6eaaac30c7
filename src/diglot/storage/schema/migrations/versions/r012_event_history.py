"""Let events be read back, expire, and arrive as webhooks of vendors.

They are found by id, and by name also if no condition counts them. A workspace keeps all of them, as before.
"""

import sqlalchemy as sa
from alembic import op

from diglot.storage.sql.databases import create_limited, exact_text

revision = "r012"
down_revision = "r011"
branch_labels = None
depends_on = None

_SINCE_EVER = -(2**62)


def upgrade() -> None:
    """Create the indexes, the columns of the retention and the table of sources."""
    op.create_index("events_by_id", "events", ["id", "workspace"], unique=True)
    not_counted = create_limited(sa.text("stream IS NULL"))
    op.create_index("events_not_counted", "events", ["workspace", "name", "event"], **not_counted)
    days = sa.Column("event_days", sa.Integer(), nullable=False, server_default="0")
    since = sa.Column("events_since", sa.BigInteger(), nullable=False, server_default=str(_SINCE_EVER))
    op.add_column("workspaces", days)
    op.add_column("workspaces", since)
    _create_sources()


def _create_sources() -> None:
    op.create_table(
        "webhook_sources",
        sa.Column("id", exact_text(), nullable=False),
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["workspace"], ["workspace_profiles.workspace"]),
        sqlite_with_rowid=False,
    )
    op.create_index("webhook_sources_by_workspace", "webhook_sources", ["workspace"])
