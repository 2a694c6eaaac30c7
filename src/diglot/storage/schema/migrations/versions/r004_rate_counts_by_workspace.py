"""Give the counts of requests their workspace, so that Citus keeps them on its node.

The counts of the current window are lost. SQLite has them in a file of its own, which the engine makes.
"""

import sqlalchemy as sa
from alembic import context, op

from diglot.storage.sql.databases import exact_text

revision = "r004"
down_revision = "r003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of counts anew."""
    if not context.config.attributes["database"].has_ephemeral_schema:
        return
    op.drop_table("rate_counts", schema="ephemeral")
    op.create_table(
        "rate_counts",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("key", exact_text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("window_number", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "key", "bucket"),
        schema="ephemeral",
        prefixes=["UNLOGGED"],
    )
