"""How many changes the log holds that are not folded."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room; an older log is counted as if each of its entries were a change of its own."""
    op.add_column("workspaces", sa.Column("unfolded", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE workspaces SET unfolded = next_entry - 1 - folded_entry")
