"""The table of tags: a row for each name that a contact has or had, or that a client created."""

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

from diglot.storage.schema.base import ExactText, metadata

tags = Table(
    "tags",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("tag", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    # The name as sent, and in the normal form in which contacts are compared.
    Column("name", Text, nullable=False),
    Column("name_exact", ExactText, nullable=False),
    Column("name_fold", ExactText, nullable=False),
    Column("color", Text, nullable=False),
    Column("description", Text),
    # Updated by every write of contacts, in its transaction.
    Column("contact_count", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "tag"),
    UniqueConstraint("id", "workspace"),
    UniqueConstraint("name_exact", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
