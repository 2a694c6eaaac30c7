"""Add tables for imports of files that run as jobs."""

import sqlalchemy as sa
from alembic import op

from diglot.storage.sql.databases import create_limited, exact_text

revision = "r007"
down_revision = "r006"
branch_labels = None
depends_on = None

_DUE = "status IN ('waiting', 'running')"


def upgrade() -> None:
    """Create the tables of jobs, of the files that wait for them and of rejected rows."""
    _create_jobs()
    _create_chunks()
    _create_rejects()


def _create_jobs() -> None:
    op.create_table(
        "import_jobs",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", exact_text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_upload", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", exact_text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job"),
        sa.UniqueConstraint("id", "workspace"),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sqlite_with_rowid=False,
    )
    op.create_index("import_jobs_due", "import_jobs", ["workspace", "job"], **create_limited(sa.text(_DUE)))


def _create_chunks() -> None:
    op.create_table(
        "import_chunks",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job", "chunk"),
        _of_job(),
    )


def _create_rejects() -> None:
    op.create_table(
        "import_rejects",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("email", exact_text(), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job", "row_number"),
        _of_job(),
        sqlite_with_rowid=False,
    )
    op.create_index("import_rejects_by_email", "import_rejects", ["workspace", "email"])


def _of_job() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["workspace", "job"], ["import_jobs.workspace", "import_jobs.job"])
