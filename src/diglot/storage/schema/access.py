"""Tables of sessions, idempotent responses and rate counts."""

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

# Browser sessions: the digest of the cookie's secret, never the secret.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", ExactText, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["workspace"], ["workspace_profiles.workspace"]),
    sqlite_with_rowid=False,
)

# Responses to writes that a client may retry, by API key and idempotency key.
idempotent_responses = Table(
    "idempotent_responses",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("key", ExactText, nullable=False),
    Column("request_name", ExactText, nullable=False),
    # A hash of the request; another request with the same idempotency key is a conflict.
    Column("fingerprint", ExactText, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # The id of the created resource; if that was deleted, the response is no longer replayed.
    Column("created_id", ExactText),
    Column("stored_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "key", "request_name"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    Index("idempotent_responses_by_age", "workspace", "stored_at"),
    sqlite_with_rowid=False,
)

# Requests of a key in the current window and in the previous one. The workspace of an attempt to sign in is
# 0, because it is not known yet.
rate_counts = Table(
    "rate_counts",
    ephemeral_metadata,
    Column("workspace", Integer, nullable=False),
    Column("key", ExactText, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("window_number", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("previous", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "key", "bucket"),
    sqlite_with_rowid=False,
)
