"""Who may ask, how often, and what was answered before."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from diglot.storage.schema.base import ExactText, ephemeral_metadata, metadata

# People signed in: the digest of a cookie, never the cookie.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", ExactText, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)

# Answers to writes that a client may send again: by the key that asked and the name it gave the request.
idempotent_responses = Table(
    "idempotent_responses",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("key", ExactText, nullable=False),
    Column("request_name", ExactText, nullable=False),
    # What was asked, hashed: another request under the same name is a conflict.
    Column("fingerprint", ExactText, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # The id of what the request made, where the answer only holds while that exists.
    Column("created_id", ExactText),
    Column("stored_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "key", "request_name"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    Index("idempotent_responses_by_age", "workspace", "stored_at"),
    sqlite_with_rowid=False,
)

# Requests of a key in a window of time, and in the one before.
rate_counts = Table(
    "rate_counts",
    ephemeral_metadata,
    Column("key", ExactText, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("window_number", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("previous", Integer, nullable=False),
    PrimaryKeyConstraint("key", "bucket"),
    sqlite_with_rowid=False,
)
