"""Keep what the rules mean that name segments, and which of these moved a contact."""

import sqlalchemy as sa
from alembic import op

revision = "r011"
down_revision = "r010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; before them no rule could name a segment."""
    op.add_column("segments", sa.Column("expanded", sa.Text(), nullable=True))
    op.add_column("membership_log", sa.Column("cause_segment", sa.Integer(), nullable=True))
