"""Memberships that are kept current: bitmaps in chunks of dense keys, and a log of changes since."""

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

from diglot.storage.tables.base import metadata

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

# A contact that entered and left segments (lists of their numbers, as JSON), in the order of `entry`.
membership_log = Table(
    "membership_log",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("pk", BigInteger, nullable=False),
    Column("added", Text, nullable=False),
    Column("removed", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "entry"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
