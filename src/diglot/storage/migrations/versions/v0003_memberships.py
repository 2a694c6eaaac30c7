"""Memberships that are kept current: chunks of bitmaps and a log of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room; a segment made before is evaluated when it is read, until it is refreshed or changed."""
    for name, start in (("next_entry", "1"), ("folded_entry", "0"), ("segments_version", "0")):
        op.add_column("workspaces", sa.Column(name, sa.BigInteger(), nullable=False, server_default=start))
    op.add_column("segments", sa.Column("members", sa.BigInteger(), nullable=True))
    op.create_table(
        "segment_chunks",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
        sa.PrimaryKeyConstraint("workspace", "segment", "chunk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "membership_log",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.Text(), nullable=False),
        sa.Column("removed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "entry"),
        sqlite_with_rowid=False,
    )
