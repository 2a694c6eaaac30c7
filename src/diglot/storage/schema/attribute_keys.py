"""The table of attribute keys: those that contacts have or had, so that a rule can warn of an unknown one."""

from sqlalchemy import Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Table

from diglot.storage.schema.base import ExactText, metadata

attribute_keys = Table(
    "attribute_keys",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("key", ExactText, nullable=False),
    PrimaryKeyConstraint("workspace", "key"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
