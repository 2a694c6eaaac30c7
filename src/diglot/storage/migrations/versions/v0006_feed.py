"""Since when a segment has a history, and the ids of deleted ones that the log still names."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Exact = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make room; what is evaluated already has a history for as long as its workspace."""
    op.add_column("segments", sa.Column("since_entry", sa.BigInteger(), nullable=True))
    op.execute("UPDATE segments SET since_entry = 0 WHERE members IS NOT NULL")
    op.create_table(
        "departed_segments",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "segment"),
        sqlite_with_rowid=False,
    )
