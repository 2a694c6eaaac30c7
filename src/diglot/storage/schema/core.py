"""Tables of workspaces, keys, contacts, segments and lists.

A workspace has two rows. Its profile is small, changes rarely and is read before the workspace is known, so
Citus can copy it to every node. Its row in `workspaces` changes with every write and is on one node.

`contacts` has its narrow typed columns first and its documents last, because a scan then reads only the front
of a row.
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

workspace_profiles = Table(
    "workspace_profiles",
    metadata,
    Column("workspace", Integer, primary_key=True, autoincrement=False),
    Column("name", ExactText, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
    # An argon2 hash (RFC 9106); None disables sign-in.
    Column("password_hash", Text),
    Column("created_at", BigInteger, nullable=False),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("workspace", Integer, primary_key=True, autoincrement=False),
    # A copy of the profile's, because a writer that waited for the lock of this row gets its latest version,
    # but PostgreSQL would return a joined profile as it was before the wait.
    Column("time_zone", Text, nullable=False),
    # The next dense keys, allocated inside the transaction that uses them.
    Column("next_pk", BigInteger, nullable=False),
    Column("next_segment", Integer, nullable=False),
    Column("next_list", Integer, nullable=False),
    Column("next_tag", Integer, nullable=False),
    Column("next_event", BigInteger, nullable=False),
    Column("next_event_name", Integer, nullable=False),
    Column("next_webhook", Integer, nullable=False),
    Column("next_delivery", BigInteger, nullable=False),
    # Changes with every write that can change a membership.
    Column("contacts_version", BigInteger, nullable=False),
    Column("contact_count", BigInteger, nullable=False),
    # The membership log: its next entry, the last entry that is compacted into the chunks, and the number of
    # later changes, each of one segment by one write.
    Column("next_entry", BigInteger, nullable=False),
    Column("compacted_entry", BigInteger, nullable=False),
    Column("uncompacted_changes", BigInteger, nullable=False),
    # A new, never used number whenever the active segments change, and which ones the last changes were of
    # (see storage/segment_steps.py).
    Column("segments_version", BigInteger, nullable=False),
    Column("segments_steps", Text, nullable=False),
    # The workspace clock: the instant at which every stored membership is right, an instant before which time
    # changes none of them, and a new number whenever the next change of any segment moves.
    Column("evaluated_at", BigInteger, nullable=False),
    Column("next_change_at", BigInteger, nullable=False),
    Column("clock_version", BigInteger, nullable=False),
    # The history is complete after this log entry, which was written at that instant or later.
    Column("history_after_entry", BigInteger, nullable=False),
    Column("history_since", BigInteger, nullable=False),
    # The number of active webhooks; a write reads it with its lock, and usually finds 0.
    Column("active_webhook_count", Integer, nullable=False),
    # What limits of the workspace apply to: its segments, including those behind dynamic lists, the rules of
    # all of them (see service/audience/segment_writes.py), and its lists.
    Column("segment_count", Integer, nullable=False),
    Column("rule_count", Integer, nullable=False),
    Column("list_count", Integer, nullable=False),
    # The days for which events are kept, 0 for ever, and the instant since which they are kept, which only
    # rises: what happened earlier is neither counted nor read.
    Column("event_days", Integer, nullable=False),
    Column("events_since", BigInteger, nullable=False),
    ForeignKeyConstraint(["workspace"], ["workspace_profiles.workspace"]),
)

keys = Table(
    "keys",
    metadata,
    Column("id", ExactText, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("dialect", Text, nullable=False),
    # The first 16 hexadecimal digits of the digest find the row; then the whole digest is compared.
    Column("lookup_prefix", ExactText, nullable=False, unique=True),
    Column("digest", ExactText, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("name", Text),
    # The vendor can bind a key to a sending account; Diglot only stores and shows it, because it sends no
    # email.
    Column("account", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    ForeignKeyConstraint(["workspace"], ["workspace_profiles.workspace"]),
    Index("keys_by_workspace", "workspace"),
    sqlite_with_rowid=False,
)

# Narrow columns come first. Tags are among the documents at the end of a row.
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
    # Token documents (see predicates/token_documents.py), in which SQL searches tags and custom attributes.
    Column("tags_exact", ExactText, nullable=False),
    Column("tags_fold", ExactText, nullable=False),
    Column("attributes_number", ExactText, nullable=False),
    Column("attributes_instant", ExactText, nullable=False),
    Column("attributes_exact", ExactText, nullable=False),
    Column("attributes_fold", ExactText, nullable=False),
    Column("id", ExactText, nullable=False),
    # JSON as sent, for responses. `as_sent` holds text fields whose normal form differs.
    Column("as_sent", Text),
    Column("tags", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "pk"),
    # The workspace comes last in the other two unique keys, because SQLite would otherwise scan one of them.
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
    # The number of the dynamic list that this segment belongs to; such a segment is not listed.
    Column("list", Integer),
    # The condition as sent, and the name of its dialect; evaluation uses the checked tree.
    Column("dialect", Text, nullable=False),
    Column("original_text", Text, nullable=False),
    Column("tree", Text, nullable=False),
    # The condition that is evaluated, if its rules name segments (see conditions/analysis/
    # segment_references.py); NULL if it is that of the rules.
    Column("expanded", Text),
    # Why the segment is invalid, as JSON (see model/segments.py); NULL if it is valid.
    Column("invalid", Text),
    # The number of members in the chunks. NULL until the first evaluation; until then each read evaluates it.
    Column("members", BigInteger),
    # The log entry after which the segment has a history; NULL until its first evaluation.
    Column("history_since_entry", BigInteger),
    # An instant before which time does not change the members.
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
# Background work searches all workspaces for these. The values are literals in the indexes and the queries,
# because neither database would use the partial index otherwise.
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
    # The number of a dynamic list's segment; a static list has rows in list_members instead.
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
