"""Add the indexes by which events are read back: by id, and by name for events that no condition counts."""

import sqlalchemy as sa
from alembic import op

from diglot.storage.sql.databases import limit_index

revision = "r012"
down_revision = "r009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("events_by_id", "events", ["id", "workspace"], unique=True)
    not_counted = limit_index(sa.text("stream IS NULL"))
    op.create_index("events_not_counted", "events", ["workspace", "name", "event"], **not_counted)
