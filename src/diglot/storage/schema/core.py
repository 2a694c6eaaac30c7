"""Workspaces, keys, contacts, segments, lists.

`contacts` has its narrow typed columns first and its documents last: a scan reads the front of a row.
"""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from diglot.conditions.fields import STORED_FIELDS, Field, FieldKind
from diglot.storage.schema.base import ExactText, metadata
from diglot.storage.sql.databases import limit_index

workspaces = Table(
    "workspaces",
    metadata,
    Column("workspace", Integer, primary_key=True, autoincrement=False),
    Column("name", ExactText, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
    # The next dense keys, taken inside the transaction that uses them.
    Column("next_pk", BigInteger, nullable=False),
    Column("next_segment", Integer, nullable=False),
    Column("next_list", Integer, nullable=False),
    Column("next_tag", Integer, nullable=False),
    Column("next_event", BigInteger, nullable=False),
    Column("next_webhook", Integer, nullable=False),
    Column("next_delivery", BigInteger, nullable=False),
    # Moves with every change that can move a membership.
    Column("contacts_version", BigInteger, nullable=False),
    Column("contact_count", BigInteger, nullable=False),
    # The log of memberships: the next entry, the last that is compacted into the chunks, and how many
    # changes, each of one segment by one write, the rows after that hold.
    Column("next_entry", BigInteger, nullable=False),
    Column("compacted_entry", BigInteger, nullable=False),
    Column("uncompacted_changes", BigInteger, nullable=False),
    # Another number, never one used before, whenever the segments that are kept current change.
    Column("segments_version", BigInteger, nullable=False),
    # The instant at which every stored membership is right, one before which time changes none of them, and
    # another number whenever any segment's own such instant changes.
    Column("evaluated_at", BigInteger, nullable=False),
    Column("next_change_at", BigInteger, nullable=False),
    Column("clock_version", BigInteger, nullable=False),
    # The history is complete after this entry of the log, which was made at that instant or later.
    Column("history_after_entry", BigInteger, nullable=False),
    Column("history_since", BigInteger, nullable=False),
    # How many webhooks are active: a write reads it with its lock, and most find 0.
    Column("active_webhook_count", Integer, nullable=False),
    # An argon2 hash; without one nobody signs in.
    Column("password_hash", Text),
    Column("created_at", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", ExactText, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("dialect", Text, nullable=False),
    # The first 16 hexadecimal digits of the digest find the row; the whole digest is compared.
    Column("lookup_prefix", ExactText, nullable=False, unique=True),
    Column("digest", ExactText, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("name", Text),
    # The sending account that the vendor may tie a key to: kept and shown, as nothing is sent from here.
    Column("account", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Narrow columns first. Tags are among the documents at the end of a row.
_COLUMN_TYPES: Final[dict[FieldKind, type[TypeEngine[Any]] | TypeEngine[Any]]] = {
    FieldKind.CHOICE: Text,
    FieldKind.INSTANT: BigInteger,
    FieldKind.NUMBER: Float(53),
    FieldKind.TEXT: ExactText,
}


def _build_columns(field: Field) -> Iterator[Column[Any]]:
    type_ = BigInteger if field.is_integer else _COLUMN_TYPES[field.kind]
    yield Column(field.name, type_, nullable=field.is_nullable)
    if field.kind is FieldKind.TEXT:
        yield Column(f"{field.name}_fold", ExactText, nullable=field.is_nullable)


contacts = Table(
    "contacts",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("pk", BigInteger, nullable=False),
    *(
        column
        for kind in _COLUMN_TYPES
        for field in STORED_FIELDS
        if field.kind is kind
        for column in _build_columns(field)
    ),
    # Token documents (see tokens.py): what SQL compares of tags and custom attributes.
    Column("tags_exact", ExactText, nullable=False),
    Column("tags_fold", ExactText, nullable=False),
    Column("attributes_number", ExactText, nullable=False),
    Column("attributes_instant", ExactText, nullable=False),
    Column("attributes_exact", ExactText, nullable=False),
    Column("attributes_fold", ExactText, nullable=False),
    Column("id", ExactText, nullable=False),
    # JSON as sent: what answers show. `as_sent` keeps text fields whose normal form differs.
    Column("as_sent", Text),
    Column("tags", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "pk"),
    # The workspace stands last in the two other unique keys, or SQLite walks one of them to scan.
    UniqueConstraint("id", "workspace"),
    UniqueConstraint("email", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

segments = Table(
    "segments",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_fold", ExactText, nullable=False),
    Column("description", Text),
    Column("type", Text, nullable=False),
    # The number of the dynamic list that this segment stands behind: then it is not listed as a segment.
    Column("list", Integer),
    # The condition as sent and the dialect it was sent in; the checked tree decides.
    Column("dialect", Text, nullable=False),
    Column("original_text", Text, nullable=False),
    Column("tree", Text, nullable=False),
    # How many members the chunks hold; nothing until it is evaluated: then it is evaluated when read.
    Column("members", BigInteger),
    # The entry of the log after which its members have a history; nothing until it is evaluated first.
    Column("history_since_entry", BigInteger),
    # An instant before which time does not change who its members are.
    Column("next_change_at", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("last_calculated_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "segment"),
    UniqueConstraint("id", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
# What the background work looks for in all workspaces. The values stand in the indexes and in its queries,
# or neither database would see that they are meant.
IS_PENDING: Final = segments.c.members.is_(None)
IS_DYNAMIC: Final = segments.c.type == literal_column("'dynamic'")
Index(
    "segments_pending",
    *(segments.c[name] for name in ("workspace", "segment")),
    **limit_index(IS_PENDING),
)
Index(
    "segments_by_calculation",
    *(segments.c[name] for name in ("last_calculated_at", "workspace", "segment")),
    **limit_index(IS_DYNAMIC),
)

lists = Table(
    "lists",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("list", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_fold", ExactText, nullable=False),
    Column("description", Text),
    # The number of the segment behind a dynamic list; a static one has none, but rows in list_members.
    Column("segment", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "list"),
    UniqueConstraint("id", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

list_members = Table(
    "list_members",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("list", Integer, nullable=False),
    Column("pk", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "list", "pk"),
    ForeignKeyConstraint(["workspace", "list"], ["lists.workspace", "lists.list"]),
    ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
    UniqueConstraint("workspace", "pk", "list"),
    sqlite_with_rowid=False,
)
