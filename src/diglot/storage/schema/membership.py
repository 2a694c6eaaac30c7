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

# A roaring bitmap of the members whose key, without its last 16 bits, is `chunk`; `n` is how many.
segment_chunks = Table(
    "segment_chunks",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("n", Integer, nullable=False),
    Column("bits", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "segment", "chunk"),
    ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
    sqlite_with_rowid=False,
)

# Who entered and left which segments by one write (see storage/changes.py): a row has the sequence numbers
# `entry` to `last`, one for each contact and segment. Of a `whole` one the chunks hold everything already.
# SQLite compares keys with whole rows where those are in the tree of the keys: one may be very long.
membership_log = Table(
    "membership_log",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("whole", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "entry"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
)

# What the log says of one segment between two foldings, in sum: bitmaps of who came and who went from
# `first` to `last`, and of who did both.
segment_history = Table(
    "segment_history",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("entered", LargeBinary, nullable=False),
    Column("departed", LargeBinary, nullable=False),
    Column("passed", LargeBinary),
    PrimaryKeyConstraint("workspace", "segment", "last"),
    ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
)

# The instants that conditions with days look at, in the order of time: of the watched fields, complete.
moments = Table(
    "moments",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("field", ExactText, nullable=False),
    Column("instant", BigInteger, nullable=False),
    Column("pk", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "field", "instant", "pk"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
watched_fields = Table(
    "watched_fields",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("field", ExactText, nullable=False),
    PrimaryKeyConstraint("workspace", "field"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Deleted contacts that the log still names: their ids, and nothing else of them.
departed_contacts = Table(
    "departed_contacts",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("pk", BigInteger, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "pk"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Deleted segments that the log still names, up to an entry.
departed_segments = Table(
    "departed_segments",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("last", BigInteger, nullable=False),
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
