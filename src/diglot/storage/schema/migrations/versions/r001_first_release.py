"""The schema of the first release.

Every name, type and default is written out and stays as it is, because released databases were made by it.
"""

from collections.abc import Iterator
from typing import TypeVar

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.types import TypeEngine

from diglot.storage.sql.databases import create_limited, exact_text

revision = "r001"
down_revision = None
branch_labels = None
depends_on = None

T = TypeVar("T")
EXACT = exact_text()
TEXT = sa.Text()
INTEGER = sa.Integer()
BIGINT = sa.BigInteger()
DOUBLE = sa.Float(precision=53)
BYTES = sa.LargeBinary()


def _required(kind: TypeEngine[T], *names: str) -> Iterator[sa.Column[T]]:
    for name in names:
        yield sa.Column(name, kind, autoincrement=False, nullable=False)


def _optional(kind: TypeEngine[T], *names: str) -> Iterator[sa.Column[T]]:
    for name in names:
        yield sa.Column(name, kind, nullable=True)


def _of_workspace() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"])


def _of_segment() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"])


def _of_contact() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"])


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, **create_limited(sa.text(where)))


def _create_workspaces() -> None:
    op.create_table(
        "workspaces",
        *_required(INTEGER, "workspace"),
        *_required(EXACT, "name"),
        *_required(TEXT, "time_zone"),
        *_required(BIGINT, "next_pk"),
        *_required(INTEGER, "next_segment", "next_list"),
        *_required(BIGINT, "contacts_version", "contact_count", "created_at"),
        *_required(INTEGER, "next_tag", "next_webhook"),
        *_required(BIGINT, "next_event", "next_delivery"),
        *_required(INTEGER, "active_webhook_count"),
        *_optional(TEXT, "password_hash"),
        *_required(BIGINT, "next_entry"),
        *_required(BIGINT, "compacted_entry", "segments_version", "evaluated_at"),
        *_required(BIGINT, "next_change_at"),
        *_required(BIGINT, "clock_version", "history_after_entry", "history_since", "uncompacted_changes"),
        sa.PrimaryKeyConstraint("workspace"),
        sa.UniqueConstraint("name"),
    )


def _create_keys() -> None:
    op.create_table(
        "keys",
        *_required(EXACT, "id"),
        *_required(INTEGER, "workspace"),
        *_required(TEXT, "dialect"),
        *_required(EXACT, "lookup_prefix", "digest"),
        *_required(TEXT, "prefix", "scopes"),
        *_required(BIGINT, "created_at"),
        *_optional(BIGINT, "revoked_at"),
        *_optional(TEXT, "name", "account"),
        *_optional(BIGINT, "expires_at", "last_used_at"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("lookup_prefix"),
        sqlite_with_rowid=False,
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        *_required(EXACT, "digest"),
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "created_at", "expires_at"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )


def _create_idempotent_responses() -> None:
    op.create_table(
        "idempotent_responses",
        *_required(INTEGER, "workspace"),
        *_required(EXACT, "key", "request_name", "fingerprint"),
        *_required(INTEGER, "status"),
        *_required(BYTES, "body"),
        *_optional(EXACT, "created_id"),
        *_required(BIGINT, "stored_at"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "key", "request_name"),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotent_responses_by_age", "idempotent_responses", ["workspace", "stored_at"])


def _create_contacts() -> None:
    op.create_table(
        "contacts",
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "pk"),
        *_required(TEXT, "status"),
        *_required(BIGINT, "created_at", "updated_at"),
        *_optional(BIGINT, "last_opened_at", "last_clicked_at", "last_emailed_at"),
        *_optional(DOUBLE, "engagement_score", "lead_score"),
        *_required(BIGINT, "total_opens", "total_clicks", "total_orders"),
        *_required(DOUBLE, "total_spent"),
        *_required(EXACT, "email", "email_fold"),
        *_optional(EXACT, "first_name", "first_name_fold", "last_name", "last_name_fold"),
        *_optional(EXACT, "phone", "phone_fold", "company", "company_fold"),
        *_optional(EXACT, "job_title", "job_title_fold", "source", "source_fold"),
        *_required(EXACT, "tags_exact", "tags_fold", "attributes_number", "attributes_instant"),
        *_required(EXACT, "attributes_exact", "attributes_fold", "id"),
        *_optional(TEXT, "as_sent"),
        *_required(TEXT, "tags", "attributes"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "pk"),
        sa.UniqueConstraint("email", "workspace"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )


def _create_tags() -> None:
    op.create_table(
        "tags",
        *_required(INTEGER, "workspace", "tag"),
        *_required(EXACT, "id"),
        *_required(TEXT, "name"),
        *_required(EXACT, "name_exact", "name_fold"),
        *_required(TEXT, "color"),
        *_optional(TEXT, "description"),
        *_required(BIGINT, "contact_count", "created_at", "updated_at"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "tag"),
        sa.UniqueConstraint("id", "workspace"),
        sa.UniqueConstraint("name_exact", "workspace"),
        sqlite_with_rowid=False,
    )


def _create_segments() -> None:
    op.create_table(
        "segments",
        *_required(INTEGER, "workspace", "segment"),
        *_required(EXACT, "id"),
        *_required(TEXT, "name"),
        *_required(EXACT, "name_fold"),
        *_optional(TEXT, "description"),
        *_required(TEXT, "type", "dialect", "original_text", "tree"),
        *_required(INTEGER, "revision"),
        *_optional(BIGINT, "last_calculated_at"),
        *_required(BIGINT, "created_at", "updated_at"),
        *_optional(INTEGER, "list"),
        *_optional(BIGINT, "members"),
        *_required(BIGINT, "next_change_at"),
        *_optional(BIGINT, "history_since_entry"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "segment"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )
    calculated = ["last_calculated_at", "workspace", "segment"]
    _partial_index("segments_pending", "segments", ["workspace", "segment"], "members IS NULL")
    _partial_index("segments_by_calculation", "segments", calculated, "type = 'dynamic'")


def _create_lists() -> None:
    op.create_table(
        "lists",
        *_required(INTEGER, "workspace", "list"),
        *_required(EXACT, "id"),
        *_required(TEXT, "name"),
        *_required(BIGINT, "created_at", "updated_at"),
        *_required(EXACT, "name_fold"),
        *_optional(TEXT, "description"),
        *_optional(INTEGER, "segment"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "list"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "list_members",
        *_required(INTEGER, "workspace", "list"),
        *_required(BIGINT, "pk"),
        sa.ForeignKeyConstraint(["workspace", "list"], ["lists.workspace", "lists.list"]),
        _of_contact(),
        sa.PrimaryKeyConstraint("workspace", "list", "pk"),
        sa.UniqueConstraint("workspace", "pk", "list"),
        sqlite_with_rowid=False,
    )


def _create_events() -> None:
    op.create_table(
        "events",
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "event"),
        *_required(EXACT, "id"),
        *_required(BIGINT, "pk"),
        *_required(EXACT, "kind", "name"),
        *_optional(EXACT, "order_id", "campaign_id"),
        *_required(BIGINT, "happened_at", "created_at"),
        *_required(TEXT, "body"),
        _of_contact(),
        sa.PrimaryKeyConstraint("workspace", "event"),
        sqlite_with_rowid=False,
    )
    op.create_index("events_of_contact", "events", ["workspace", "pk", "kind", "happened_at"])
    orders, conversions = "order_id IS NOT NULL", "kind = 'conversion'"
    campaigns = f"{conversions} AND campaign_id IS NOT NULL"
    _partial_index("events_by_order", "events", ["order_id", "workspace"], orders, unique=True)
    _partial_index("events_conversions", "events", ["workspace", "event"], conversions)
    _partial_index("events_by_campaign", "events", ["workspace", "campaign_id", "event"], campaigns)


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        *_required(INTEGER, "workspace", "webhook"),
        *_required(EXACT, "id"),
        *_required(TEXT, "dialect", "url", "events", "subscriptions", "secret"),
        *_required(sa.Boolean(), "active"),
        *_optional(BIGINT, "leased_until"),
        *_required(BIGINT, "created_at", "updated_at"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "webhook"),
        sa.UniqueConstraint("id", "workspace"),
        sqlite_with_rowid=False,
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "delivery"),
        *_required(EXACT, "id"),
        *_required(INTEGER, "webhook"),
        *_required(TEXT, "event", "payload"),
        *_required(INTEGER, "attempts"),
        *_optional(BIGINT, "due_at", "delivered_at"),
        *_optional(INTEGER, "last_status"),
        *_optional(TEXT, "last_error", "last_response"),
        *_required(BIGINT, "created_at"),
        sa.ForeignKeyConstraint(["workspace", "webhook"], ["webhooks.workspace", "webhooks.webhook"]),
        sa.PrimaryKeyConstraint("workspace", "delivery"),
        sqlite_with_rowid=False,
    )
    due = ["workspace", "webhook", "due_at", "delivery"]
    op.create_index("deliveries_of_webhook", "deliveries", ["workspace", "webhook", "delivery"])
    _partial_index("deliveries_due", "deliveries", due, "due_at IS NOT NULL")


def _create_memberships() -> None:
    op.create_table(
        "segment_chunks",
        *_required(INTEGER, "workspace", "segment", "chunk", "member_count"),
        *_required(BYTES, "bitmap"),
        _of_segment(),
        sa.PrimaryKeyConstraint("workspace", "segment", "chunk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pending_members",
        *_required(INTEGER, "workspace", "segment"),
        *_required(BIGINT, "pk"),
        *_required(INTEGER, "is_member"),
        _of_segment(),
        sa.PrimaryKeyConstraint("workspace", "segment", "pk"),
        sqlite_with_rowid=False,
    )


def _create_history() -> None:
    """Create tables with row ids, because SQLite compares keys with whole rows where there are none."""
    op.create_table(
        "membership_log",
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "first_entry", "last_entry", "happened_at"),
        *_required(TEXT, "cause"),
        *_required(INTEGER, "rewrites_segment"),
        *_required(BYTES, "body"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "first_entry"),
    )
    op.create_table(
        "membership_log_sums",
        *_required(INTEGER, "workspace", "segment"),
        *_required(BIGINT, "last_entry", "first_entry"),
        *_required(BYTES, "entered", "exited"),
        *_optional(BYTES, "toggled"),
        _of_segment(),
        sa.PrimaryKeyConstraint("workspace", "segment", "last_entry"),
    )


def _create_deleted() -> None:
    op.create_table(
        "deleted_contacts",
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "pk"),
        *_required(EXACT, "id"),
        *_required(BIGINT, "deleted_at"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deleted_segments",
        *_required(INTEGER, "workspace", "segment"),
        *_required(EXACT, "id"),
        *_required(BIGINT, "last_entry"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "segment"),
        sqlite_with_rowid=False,
    )


def _create_instants() -> None:
    op.create_table(
        "field_instants",
        *_required(INTEGER, "workspace"),
        *_required(EXACT, "field"),
        *_required(BIGINT, "instant", "pk"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "field", "instant", "pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "indexed_fields",
        *_required(INTEGER, "workspace"),
        *_required(EXACT, "field"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace", "field"),
        sqlite_with_rowid=False,
    )


def _create_verifications() -> None:
    op.create_table(
        "verifications",
        *_required(INTEGER, "workspace"),
        *_required(BIGINT, "verified_segments", "repaired_segments", "repaired_contacts"),
        _of_workspace(),
        sa.PrimaryKeyConstraint("workspace"),
        sqlite_with_rowid=False,
    )


def _create_ephemeral() -> None:
    """Create what a crash may lose; SQLite keeps it in a file of its own, which the engine makes."""
    op.execute("CREATE SCHEMA IF NOT EXISTS ephemeral")
    op.create_table(
        "rate_counts",
        *_required(EXACT, "key"),
        *_required(TEXT, "bucket"),
        *_required(BIGINT, "window_number"),
        *_required(INTEGER, "count", "previous"),
        sa.PrimaryKeyConstraint("key", "bucket"),
        schema="ephemeral",
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "leases",
        *_required(TEXT, "work"),
        *_required(EXACT, "holder"),
        *_required(BIGINT, "until"),
        sa.PrimaryKeyConstraint("work"),
        schema="ephemeral",
        prefixes=["UNLOGGED"],
    )


def _leave_bitmaps_uncompressed() -> None:
    """Have PostgreSQL compress no bitmap, because that costs more than reading one and gains nothing."""
    for table, columns in (
        ("segment_chunks", ("bitmap",)),
        ("membership_log", ("body",)),
        ("membership_log_sums", ("entered", "exited", "toggled")),
    ):
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def upgrade() -> None:
    """Create every table."""
    _create_workspaces()
    _create_keys()
    _create_sessions()
    _create_idempotent_responses()
    _create_contacts()
    _create_tags()
    _create_segments()
    _create_lists()
    _create_events()
    _create_webhooks()
    _create_deliveries()
    _create_memberships()
    _create_history()
    _create_deleted()
    _create_instants()
    _create_verifications()
    if context.config.attributes["database"].has_ephemeral_schema:
        _create_ephemeral()
        _leave_bitmaps_uncompressed()
