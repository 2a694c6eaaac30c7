"""The tables of events (opens, clicks, purchases, conversions, product views) and of what they add up to."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from diglot.storage.schema.base import ExactText, metadata
from diglot.storage.sql.databases import limit_index

_HAS_SOURCE = text("source_id IS NOT NULL")
_IS_COUNTED = text("stream IS NOT NULL")
_IS_NOT_COUNTED = text("stream IS NULL")
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
    # The number of the name in `event_names`; NULL if no condition counts the event, because a machine caused
    # it.
    Column("stream", Integer),
    # What makes an event that is sent twice one event: the kind of an id, a colon, and the id.
    Column("source_id", ExactText),
    Column("campaign_id", ExactText),
    Column("happened_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "event"),
    ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
    # For reading one back. Ids ascend, so that a new one is appended.
    Index("events_by_id", "id", "workspace", unique=True),
    # An event counts once, even if it is reported again.
    Index(
        "events_by_source",
        "source_id",
        "workspace",
        unique=True,
        **limit_index(_HAS_SOURCE),
    ),
    Index("events_of_contact", "workspace", "pk", "kind", "happened_at"),
    # The events of one name in the order of contacts, for conditions that are evaluated in full.
    Index(
        "events_of_stream",
        "workspace",
        "stream",
        "pk",
        "happened_at",
        **limit_index(_IS_COUNTED),
    ),
    # The few others of a name.
    Index(
        "events_not_counted",
        "workspace",
        "name",
        "event",
        **limit_index(_IS_NOT_COUNTED),
    ),
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

# The names of events that contacts have or had, in the order in which they came.
event_names = Table(
    "event_names",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", ExactText, nullable=False),
    PrimaryKeyConstraint("workspace", "number"),
    UniqueConstraint("workspace", "name"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# What the events of a contact with one name add up to (see conditions/events/states.py). It is kept for every
# name from the first event on, because totals outlive the events.
event_states = Table(
    "event_states",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("pk", BigInteger, nullable=False),
    Column("stream", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    # A decimal, exact to its last digit.
    Column("revenue", Text, nullable=False),
    # The newest instants, newest first, 8 bytes each.
    Column("recent", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "pk", "stream"),
    ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
    sqlite_with_rowid=False,
)
