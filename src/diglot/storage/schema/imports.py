"""Tables of imports: jobs, the files that wait for them, and the rows that were not imported."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from diglot.storage.schema.base import ExactText, metadata
from diglot.storage.sql.databases import limit_index

# `options` and `progress` are JSON.
import_jobs = Table(
    "import_jobs",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("job", Integer, nullable=False),
    Column("id", ExactText, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_upload", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", ExactText, nullable=False),
    Column("options", Text, nullable=False),
    Column("progress", Text, nullable=False),
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "job"),
    UniqueConstraint("id", "workspace"),
    ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
    sqlite_with_rowid=False,
)
# Background work searches all workspaces for these.
IS_DUE: Final = import_jobs.c.status.in_([literal_column("'waiting'"), literal_column("'running'")])
Index(
    "import_jobs_due",
    *(import_jobs.c[name] for name in ("workspace", "job")),
    **limit_index(IS_DUE),
)

# Consecutive parts of an uploaded file, compressed. The table has row ids, because a part is long.
import_chunks = Table(
    "import_chunks",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("job", Integer, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "job", "chunk"),
    ForeignKeyConstraint(["workspace", "job"], ["import_jobs.workspace", "import_jobs.job"]),
)

# `cells` is JSON. `email` finds what has to be erased with a person.
import_rejects = Table(
    "import_rejects",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("job", Integer, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("email", ExactText, nullable=False),
    Column("cells", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "job", "row_number"),
    ForeignKeyConstraint(["workspace", "job"], ["import_jobs.workspace", "import_jobs.job"]),
    Index("import_rejects_by_email", "workspace", "email"),
    sqlite_with_rowid=False,
)
