"""What the background work keeps for itself."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Table, Text

from diglot.storage.schema.base import ExactText, ephemeral_metadata, metadata

# How many segments of a workspace were verified, and what had to be repaired: it never goes down.
verifications = Table(
    "verifications",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("verified_segments", BigInteger, nullable=False),
    Column("repaired_segments", BigInteger, nullable=False),
    Column("repaired_contacts", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Work that one process does for all, which of them does it now, and until when nobody else may.
leases = Table(
    "leases",
    ephemeral_metadata,
    Column("work", Text, nullable=False),
    Column("holder", ExactText, nullable=False),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("work"),
    sqlite_with_rowid=False,
)
