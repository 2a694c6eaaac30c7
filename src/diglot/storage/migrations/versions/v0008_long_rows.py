"""SQLite keeps the long rows of memberships beside their keys, no longer in the tree of the keys.

In a table without row ids a key is compared with whole rows: each write read its neighbours, and where one of
them was the evaluation of another workspace's thousand segments, 80 MB in one row, it took 150 ms.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ASIDE = "_before_0008"


def upgrade() -> None:
    """Copy the rows into tables with row ids; order and keys stay."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name, create in (("membership_log", _create_log), ("segment_history", _create_history)):
        op.rename_table(name, name + _ASIDE)
        create()
        op.execute(f"INSERT INTO {name} SELECT * FROM {name}{_ASIDE}")
        op.drop_table(name + _ASIDE)


def _create_log() -> None:
    op.create_table(
        "membership_log",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("whole", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "entry"),
    )


def _create_history() -> None:
    op.create_table(
        "segment_history",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("entered", sa.LargeBinary(), nullable=False),
        sa.Column("departed", sa.LargeBinary(), nullable=False),
        sa.Column("passed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
        sa.PrimaryKeyConstraint("workspace", "segment", "last"),
    )
