"""Keep which segments the latest versions of the active segments differ by."""

import sqlalchemy as sa
from alembic import op

revision = "r010"
down_revision = "r009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the steps; there are none, so that each process loads all segments once."""
    op.add_column("workspaces", sa.Column("segments_steps", sa.Text(), nullable=False, server_default=""))
