"""What contacts did: opens, clicks, purchases, conversions, product views."""

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

from diglot.storage.schema.base import Exact, metadata

_ORDERS = text("order_id IS NOT NULL")
_CONVERSIONS = text("kind = 'conversion'")
_CAMPAIGNS = text("kind = 'conversion' AND campaign_id IS NOT NULL")

events = Table(
    "events",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("id", Exact, nullable=False),
    Column("pk", BigInteger, nullable=False),
    # What it means here (`EventKind`), and its name or type as sent.
    Column("kind", Exact, nullable=False),
    Column("name", Exact, nullable=False),
    Column("order_id", Exact),
    Column("campaign_id", Exact),
    Column("happened_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "event"),
    ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
    # An order counts once, however often it is told.
    Index(
        "events_by_order",
        "order_id",
        "workspace",
        unique=True,
        sqlite_where=_ORDERS,
        postgresql_where=_ORDERS,
    ),
    Index("events_of_contact", "workspace", "pk", "kind", "happened_at"),
    # Conversions are read by everybody, the far more frequent opens and clicks only by contact.
    Index(
        "events_conversions",
        "workspace",
        "event",
        sqlite_where=_CONVERSIONS,
        postgresql_where=_CONVERSIONS,
    ),
    Index(
        "events_by_campaign",
        "workspace",
        "campaign_id",
        "event",
        sqlite_where=_CAMPAIGNS,
        postgresql_where=_CAMPAIGNS,
    ),
    sqlite_with_rowid=False,
)
