"""The first schema: workspaces, keys, contacts, segments, static lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Exact = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _workspaces() -> None:
    op.create_table(
        "workspaces",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", Exact, nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("next_pk", sa.BigInteger(), nullable=False),
        sa.Column("next_segment", sa.Integer(), nullable=False),
        sa.Column("next_list", sa.Integer(), nullable=False),
        sa.Column("contacts_version", sa.BigInteger(), nullable=False),
        sa.Column("contact_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
        sa.UniqueConstraint("name"),
    )


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_opened_at", sa.BigInteger(), nullable=True),
        sa.Column("last_clicked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_emailed_at", sa.BigInteger(), nullable=True),
        sa.Column("engagement_score", sa.Float(precision=53), nullable=True),
        sa.Column("lead_score", sa.Float(precision=53), nullable=True),
        sa.Column("total_opens", sa.BigInteger(), nullable=False),
        sa.Column("total_clicks", sa.BigInteger(), nullable=False),
        sa.Column("total_orders", sa.BigInteger(), nullable=False),
        sa.Column("total_spent", sa.Float(precision=53), nullable=False),
        sa.Column("email", Exact, nullable=False),
        sa.Column("email_fold", Exact, nullable=False),
        sa.Column("first_name", Exact, nullable=True),
        sa.Column("first_name_fold", Exact, nullable=True),
        sa.Column("last_name", Exact, nullable=True),
        sa.Column("last_name_fold", Exact, nullable=True),
        sa.Column("phone", Exact, nullable=True),
        sa.Column("phone_fold", Exact, nullable=True),
        sa.Column("company", Exact, nullable=True),
        sa.Column("company_fold", Exact, nullable=True),
        sa.Column("job_title", Exact, nullable=True),
        sa.Column("job_title_fold", Exact, nullable=True),
        sa.Column("source", Exact, nullable=True),
        sa.Column("source_fold", Exact, nullable=True),
        sa.Column("tags_exact", Exact, nullable=False),
        sa.Column("tags_fold", Exact, nullable=False),
        sa.Column("attributes_number", Exact, nullable=False),
        sa.Column("attributes_instant", Exact, nullable=False),
        sa.Column("attributes_exact", Exact, nullable=False),
        sa.Column("attributes_fold", Exact, nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("as_sent", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "pk"),
        sa.UniqueConstraint("email", "workspace"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", Exact, nullable=False),
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("handle", Exact, nullable=False),
        sa.Column("digest", Exact, nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("handle"),
        sqlite_with_rowid=False,
    )


def _lists() -> None:
    op.create_table(
        "lists",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("list", sa.Integer(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "list"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_fold", Exact, nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("tree", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("last_calculated_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "segment"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )


def _list_members() -> None:
    op.create_table(
        "list_members",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("list", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace", "list"], ["lists.workspace", "lists.list"]),
        sa.ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
        sa.PrimaryKeyConstraint("workspace", "list", "pk"),
        sa.UniqueConstraint("workspace", "pk", "list"),
        sqlite_with_rowid=False,
    )


def _segment_members() -> None:
    op.create_table(
        "segment_members",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
        sa.ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
        sa.PrimaryKeyConstraint("workspace", "segment", "pk"),
        sa.UniqueConstraint("workspace", "pk", "segment"),
        sqlite_with_rowid=False,
    )


def upgrade() -> None:
    """Create every table."""
    _workspaces()
    _contacts()
    _keys()
    _lists()
    _segments()
    _list_members()
    _segment_members()
