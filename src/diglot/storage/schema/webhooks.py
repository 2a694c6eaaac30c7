"""Tables of webhooks and their deliveries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from diglot.storage.schema.base import ExactText, metadata
from diglot.storage.sql.databases import limit_index

webhooks = Table(
    "webhooks",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("webhook", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("url", Text, nullable=False),
    # Event names separated by commas: as the dialect calls them, and the types they stand for.
    Column("events", Text, nullable=False),
    Column("subscriptions", Text, nullable=False),
    # Stored in clear, because it signs messages.
    Column("secret", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    # No process sends before this instant: another holds a lease, or the receiver did not respond.
    Column("leased_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "webhook"),
    UniqueConstraint("id", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Where the webhooks of a vendor arrive. It is found by the id in its path, before the workspace is known.
webhook_sources = Table(
    "webhook_sources",
    metadata,
    Column("id", ExactText, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("dialect", Text, nullable=False),
    # Stored in clear, because it verifies messages; NULL until the operator sets it.
    Column("secret", Text),
    Column("created_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["workspace"], ["workspace_profiles.workspace"]),
    Index("webhook_sources_by_workspace", "workspace"),
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("delivery", BigInteger, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("webhook", Integer, nullable=False),
    # The event type and its payload, independent of the dialect, which renders the message when it is sent.
    Column("event", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When the delivery is sent or retried; NULL once it is delivered or given up.
    Column("due_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("last_response", Text),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "delivery"),
    ForeignKeyConstraint(["workspace", "webhook"], ["webhooks.workspace", "webhooks.webhook"]),
    sqlite_with_rowid=False,
)
Index("deliveries_of_webhook", *(deliveries.c[name] for name in ("workspace", "webhook", "delivery")))
# Only waiting deliveries, so that the many delivered ones do not enlarge the index.
Index(
    "deliveries_due",
    *(deliveries.c[name] for name in ("workspace", "webhook", "due_at", "delivery")),
    **limit_index(deliveries.c.due_at.is_not(None)),
)
