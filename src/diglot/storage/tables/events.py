"""What contacts did: opens, clicks, purchases, conversions, product views."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from diglot.storage.tables.base import Exact, metadata

events = Table(
    "events",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("id", Exact, nullable=False),
    Column("pk", BigInteger, nullable=False),
    # What sort of thing happened (event, purchase, conversion, product_view) and its name or type.
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    # An order counts once, however often it is told.
    Column("order_id", Exact),
    Column("campaign_id", Exact),
    Column("happened_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "event"),
    UniqueConstraint("id", "workspace"),
    UniqueConstraint("order_id", "workspace"),
    UniqueConstraint("workspace", "pk", "event"),
    ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
    sqlite_with_rowid=False,
)
