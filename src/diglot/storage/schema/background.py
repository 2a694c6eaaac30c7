"""Tables of the background work."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Table, Text

from diglot.storage.schema.base import ExactText, ephemeral_metadata, metadata

# Totals of verified segments and repairs in a workspace, which never decrease.
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

# Work that one process does for all: the process that holds the lease, and until when.
leases = Table(
    "leases",
    ephemeral_metadata,
    Column("work", Text, nullable=False),
    Column("holder", ExactText, nullable=False),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("work"),
    sqlite_with_rowid=False,
)
