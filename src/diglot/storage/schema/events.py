"""The table of events: opens, clicks, purchases, conversions, product views."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from diglot.storage.schema.base import ExactText, metadata
from diglot.storage.sql.databases import limit_index

_HAS_ORDER = text("order_id IS NOT NULL")
_IS_CONVERSION = text("kind = 'conversion'")
_IS_CAMPAIGN_CONVERSION = text("kind = 'conversion' AND campaign_id IS NOT NULL")

events = Table(
    "events",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("pk", BigInteger, nullable=False),
    # The meaning of the event (`EventKind`), and its name or type as sent.
    Column("kind", ExactText, nullable=False),
    Column("name", ExactText, nullable=False),
    Column("order_id", ExactText),
    Column("campaign_id", ExactText),
    Column("happened_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "event"),
    ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
    # An order counts once, even if it is reported again.
    Index(
        "events_by_order",
        "order_id",
        "workspace",
        unique=True,
        **limit_index(_HAS_ORDER),
    ),
    Index("events_of_contact", "workspace", "pk", "kind", "happened_at"),
    # Conversions are listed for the whole workspace; the far more frequent opens and clicks only by contact.
    Index(
        "events_conversions",
        "workspace",
        "event",
        **limit_index(_IS_CONVERSION),
    ),
    Index(
        "events_by_campaign",
        "workspace",
        "campaign_id",
        "event",
        **limit_index(_IS_CAMPAIGN_CONVERSION),
    ),
    sqlite_with_rowid=False,
)
