"""Memberships that time moves and static ones are kept as bitmaps too, and the log stays as a history.

What was kept before is evaluated anew in the background; until then it is evaluated when it is read.
"""

from itertools import groupby

import sqlalchemy as sa
from alembic import op
from pyroaring import BitMap
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Exact = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NEVER = str(2**62)


def upgrade() -> None:
    """Make room, and pack the members of static segments."""
    for name, start in (
        *(("evaluated_at", "0"), ("next_change_at", NEVER), ("clock_version", "0")),
        *(("history_entry", "0"), ("history_since", "0")),
    ):
        op.add_column("workspaces", sa.Column(name, sa.BigInteger(), nullable=False, server_default=start))
    op.add_column(
        "segments", sa.Column("next_change_at", sa.BigInteger(), nullable=False, server_default=NEVER)
    )
    op.execute("UPDATE segments SET members = NULL")
    op.execute("DELETE FROM segment_chunks")
    op.execute("UPDATE workspaces SET folded_entry = next_entry - 1, history_entry = next_entry - 1")
    # Memberships are right from now on.
    op.execute(f"UPDATE workspaces SET history_since = {_now()}, segments_version = segments_version + 1")
    op.drop_table("membership_log")
    _tables()
    _watching()
    _waiting()
    _pack_static()
    op.drop_table("segment_members")
    _leave_bitmaps_alone()


def _now() -> str:
    if op.get_bind().dialect.name == "postgresql":
        return "(extract(epoch from transaction_timestamp()) * 1000000)::bigint"
    return "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"


def _tables() -> None:
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
        sqlite_with_rowid=False,
    )
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
        sqlite_with_rowid=False,
    )


def _watching() -> None:
    op.create_table(
        "moments",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("field", Exact, nullable=False),
        sa.Column("instant", sa.BigInteger(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "field", "instant", "pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "watched_fields",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("field", Exact, nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "field"),
        sqlite_with_rowid=False,
    )


def _waiting() -> None:
    op.create_table(
        "departed_contacts",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pending_members",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("is_member", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
        sa.PrimaryKeyConstraint("workspace", "segment", "pk"),
        sqlite_with_rowid=False,
    )


def _leave_bitmaps_alone() -> None:
    """Have PostgreSQL compress no bitmap: it costs more than reading one, and gains nothing."""
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in (
            ("segment_chunks", ("bits",)),
            ("membership_log", ("body",)),
            ("segment_history", ("entered", "departed", "passed")),
        ):
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def _pack_static() -> None:
    """Write the kept members of static segments in chunks."""
    connection = op.get_bind()
    chunks = sa.table(
        "segment_chunks",
        *(sa.column(name) for name in ("workspace", "segment", "chunk", "n", "bits")),
    )
    statics = connection.execute(
        sa.text("SELECT workspace, segment FROM segments WHERE type = 'static'")
    ).fetchall()
    for workspace, segment in statics:
        named = {"workspace": workspace, "segment": segment}
        rows = connection.execute(
            sa.text(
                "SELECT pk FROM segment_members "
                "WHERE workspace = :workspace AND segment = :segment ORDER BY pk"
            ),
            named,
        )
        keys = [row[0] for row in rows]
        for chunk, members in groupby(keys, key=lambda key: key >> 16):
            bits = BitMap(members)
            values = {"chunk": chunk, "n": len(bits), "bits": bits.serialize()}
            connection.execute(sa.insert(chunks).values(named | values))
        connection.execute(
            sa.text("UPDATE segments SET members = :n WHERE workspace = :workspace AND segment = :segment"),
            named | {"n": len(keys)},
        )
