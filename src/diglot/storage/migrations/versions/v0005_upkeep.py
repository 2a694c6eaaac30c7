"""Background work: what was verified and repaired, who does it now, and how it finds what is to be done."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Exact = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make room."""
    op.create_table(
        "verifications",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("verified", sa.BigInteger(), nullable=False),
        sa.Column("repaired_segments", sa.BigInteger(), nullable=False),
        sa.Column("repaired_contacts", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace"),
        sqlite_with_rowid=False,
    )
    _index("segments_pending", ["workspace", "segment"], "members IS NULL")
    _index("segments_by_calculation", ["last_calculated_at", "workspace", "segment"], "type = 'dynamic'")
    _follow()
    # SQLite keeps what is fleeting in a file of its own, which the engine makes.
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "leases",
            sa.Column("work", sa.Text(), nullable=False),
            sa.Column("holder", Exact, nullable=False),
            sa.Column("until", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("work"),
            schema="fleeting",
            prefixes=["UNLOGGED"],
        )


def _follow() -> None:
    """Have the first write or tick follow time for the segments that the revision before left for later."""
    op.execute("UPDATE segments SET next_change_at = 0 WHERE members IS NULL AND type = 'dynamic'")
    op.execute(
        "UPDATE workspaces SET next_change_at = 1 WHERE workspace IN "
        "(SELECT workspace FROM segments WHERE members IS NULL)"
    )


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "segments", columns, sqlite_where=condition, postgresql_where=condition)
