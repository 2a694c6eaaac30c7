"""Add the table of how many contacts entered and left segments, by quarters of an hour."""

import sqlalchemy as sa
from alembic import op

revision = "r009"
down_revision = "r008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; what happened before is counted from the log itself."""
    op.create_table(
        "membership_log_counts",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("segment", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "segment", "last_entry"),
        sa.ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
        sqlite_with_rowid=False,
    )
