"""Who wants to hear of changes, and what is on its way to them."""

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
    # Names of events, separated by commas: in the words of the dialect, and those that can happen here.
    Column("events", Text, nullable=False),
    Column("subscriptions", Text, nullable=False),
    # It signs, so it is kept as it is.
    Column("secret", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    # Nobody sends before: a process is at it, or the receiver did not answer.
    Column("leased_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "webhook"),
    UniqueConstraint("id", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("delivery", BigInteger, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("webhook", Integer, nullable=False),
    # What happened and to whom, in no vendor's words: the dialect finds them when it is sent.
    Column("event", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it is to be sent, or sent again; nothing when it arrived or was given up.
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
# Only what waits: the many that arrived cost it nothing.
Index(
    "deliveries_due",
    *(deliveries.c[name] for name in ("workspace", "webhook", "due_at", "delivery")),
    **limit_index(deliveries.c.due_at.is_not(None)),
)
