"""Memberships that are kept current: bitmaps in chunks of dense keys, the log of changes, and its history."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from diglot.storage.schema.base import ExactText, metadata

# A roaring bitmap of the members whose key, without its last 16 bits, is `chunk`; `member_count` is how many.
segment_chunks = Table(
    "segment_chunks",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("member_count", Integer, nullable=False),
    Column("bitmap", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "segment", "chunk"),
    ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
    sqlite_with_rowid=False,
)

# Contacts that entered and left segments by one write (see storage/membership/changes.py): a row has the
# sequence numbers `first_entry` to `last_entry`, one for each contact and segment. Where it rewrites a
# segment, the chunks hold all its changes already.
# SQLite compares keys with whole rows where those are in the tree of the keys: one may be very long.
membership_log = Table(
    "membership_log",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("rewrites_segment", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "first_entry"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
)

# The net change of one segment between two compactions: bitmaps of the contacts that entered and that left
# from `first_entry` to `last_entry`, and of those that did both. `exited` because SQL reserves LEFT.
membership_log_sums = Table(
    "membership_log_sums",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("entered", LargeBinary, nullable=False),
    Column("exited", LargeBinary, nullable=False),
    Column("toggled", LargeBinary),
    PrimaryKeyConstraint("workspace", "segment", "last_entry"),
    ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
)

# The instants that conditions with days look at, in the order of time: complete for the indexed fields.
field_instants = Table(
    "field_instants",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("field", ExactText, nullable=False),
    Column("instant", BigInteger, nullable=False),
    Column("pk", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "field", "instant", "pk"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
indexed_fields = Table(
    "indexed_fields",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("field", ExactText, nullable=False),
    PrimaryKeyConstraint("workspace", "field"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Deleted contacts that the log still names: their ids, and nothing else of them.
deleted_contacts = Table(
    "deleted_contacts",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("pk", BigInteger, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "pk"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Deleted segments that the log still names, up to an entry.
deleted_segments = Table(
    "deleted_segments",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "segment"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Who is in a segment, or no longer, by a write that came while it was evaluated for the first time.
pending_members = Table(
    "pending_members",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("pk", BigInteger, nullable=False),
    Column("is_member", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "segment", "pk"),
    ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
    sqlite_with_rowid=False,
)
