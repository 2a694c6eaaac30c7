"""Tables of memberships: bitmap chunks, the log with its sums, and the instant index."""

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

# A roaring bitmap of the `member_count` members whose key without its last 16 bits is `chunk`.
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

# Contacts that entered and left segments in one write (see storage/membership/changes.py). A row has the
# entry numbers `first_entry` to `last_entry`, one for each contact and segment. If it rewrites a segment, the
# chunks already hold all its changes. The table has row ids, because without them SQLite compares keys with
# whole rows, and a row may be very long.
membership_log = Table(
    "membership_log",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    # The number of the segment whose members moved, if the changes are those of segments that reference it.
    Column("cause_segment", Integer),
    Column("rewrites_segment", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "first_entry"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
)

# The net change of one segment between two compactions: bitmaps of the contacts that entered, that left
# (`exited`, because LEFT is a reserved word in SQL) and that did both, in the entries `first_entry` to
# `last_entry`.
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

# How many contacts entered and left one segment in each quarter of an hour of the entries `first_entry` to
# `last_entry` (see storage/membership/log_counts.py), beside the net change of the same entries. It is a
# table of its own, because a year has thousands of rows that would have to be read past their bitmaps.
membership_log_counts = Table(
    "membership_log_counts",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "segment", "last_entry"),
    ForeignKeyConstraint(["workspace", "segment"], ["segments.workspace", "segments.segment"]),
    sqlite_with_rowid=False,
)

# The instant index: the instants that contacts hold in indexed fields, in order of time.
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

# Ids of deleted contacts that the log still mentions.
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

# Ids of deleted segments that the log mentions up to an entry.
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

# Membership changes by writes during the first evaluation of a segment.
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
