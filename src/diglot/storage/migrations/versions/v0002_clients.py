"""What real clients need beside segments: tags, events, webhooks, sessions, answers, limits, lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from diglot.storage.migrations import tag_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Exact = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _columns() -> None:
    for name in ("tag", "webhook"):
        op.add_column(
            "workspaces", sa.Column(f"next_{name}", sa.Integer(), nullable=False, server_default="1")
        )
    for name in ("event", "delivery"):
        op.add_column(
            "workspaces", sa.Column(f"next_{name}", sa.BigInteger(), nullable=False, server_default="1")
        )
    op.add_column("workspaces", sa.Column("webhook_count", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("workspaces", sa.Column("password", sa.Text(), nullable=True))
    for name in ("name", "account"):
        op.add_column("keys", sa.Column(name, sa.Text(), nullable=True))
    for name in ("expires_at", "last_used_at"):
        op.add_column("keys", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("segments", sa.Column("list", sa.Integer(), nullable=True))
    # No call could make a list before this revision, so no name waits for its fold.
    op.add_column("lists", sa.Column("name_fold", Exact, nullable=False, server_default=""))
    op.add_column("lists", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("lists", sa.Column("segment", sa.Integer(), nullable=True))


def _access() -> None:
    op.create_table(
        "sessions",
        sa.Column("digest", Exact, nullable=False),
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "answers",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("key", Exact, nullable=False),
        sa.Column("name", Exact, nullable=False),
        sa.Column("fingerprint", Exact, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("made", Exact, nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "key", "name"),
        sqlite_with_rowid=False,
    )
    op.create_index("answers_by_age", "answers", ["workspace", "made_at"])


def _limits() -> None:
    # SQLite keeps what is fleeting in a file of its own, which the engine makes.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SCHEMA IF NOT EXISTS fleeting")
        op.create_table(
            "rate_counts",
            sa.Column("key", Exact, nullable=False),
            sa.Column("bucket", sa.Text(), nullable=False),
            sa.Column("window", sa.BigInteger(), nullable=False),
            sa.Column("count", sa.Integer(), nullable=False),
            sa.Column("previous", sa.Integer(), nullable=False),
            sa.PrimaryKeyConstraint("key", "bucket"),
            schema="fleeting",
            prefixes=["UNLOGGED"],
        )


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Integer(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_exact", Exact, nullable=False),
        sa.Column("name_fold", Exact, nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("contact_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "tag"),
        sa.UniqueConstraint("id", "workspace"),
        sa.UniqueConstraint("name_exact", "workspace"),
        sqlite_with_rowid=False,
    )
    tag_rows.make(op.get_bind())


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("kind", Exact, nullable=False),
        sa.Column("name", Exact, nullable=False),
        sa.Column("order_id", Exact, nullable=True),
        sa.Column("campaign_id", Exact, nullable=True),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
        sa.PrimaryKeyConstraint("workspace", "event"),
        sqlite_with_rowid=False,
    )
    op.create_index("events_of_contact", "events", ["workspace", "pk", "kind", "happened_at"])
    _partial("events_by_order", ["order_id", "workspace"], "order_id IS NOT NULL", unique=True)
    _partial("events_conversions", ["workspace", "event"], "kind = 'conversion'")
    campaigns = "kind = 'conversion' AND campaign_id IS NOT NULL"
    _partial("events_by_campaign", ["workspace", "campaign_id", "event"], campaigns)


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    some = sa.text(where)
    op.create_index(name, "events", columns, unique=unique, sqlite_where=some, postgresql_where=some)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("webhook", sa.Integer(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("hears", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("closed_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sa.PrimaryKeyConstraint("workspace", "webhook"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("workspace", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False),
        sa.Column("id", Exact, nullable=False),
        sa.Column("webhook", sa.Integer(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_response", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace", "webhook"], ["webhooks.workspace", "webhooks.webhook"]),
        sa.PrimaryKeyConstraint("workspace", "delivery"),
        sqlite_with_rowid=False,
    )
    op.create_index("deliveries_of_webhook", "deliveries", ["workspace", "webhook", "delivery"])
    waiting = sa.text("due_at IS NOT NULL")
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["workspace", "webhook", "due_at", "delivery"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def upgrade() -> None:
    """Widen what there is, then make the new tables."""
    _columns()
    _access()
    _limits()
    _tags()
    _events()
    _webhooks()
    _deliveries()
