"""Move name, time zone and password of workspaces into a small table, which Citus copies to every node.

The row of a workspace, which each write locks, keeps a copy of the time zone. Keys and sessions refer to the
profile.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from diglot.storage.sql.databases import exact_text

revision = "r003"
down_revision = "r002"
branch_labels = None
depends_on = None

# Other names than those of the application, because its tables change with later revisions.
_PROFILE = ("workspace", "name", "time_zone", "password_hash", "created_at")
_profiles = sa.table("workspace_profiles", *(sa.column(name) for name in _PROFILE))
_workspaces = sa.table("workspaces", *(sa.column(name) for name in _PROFILE))
# PostgreSQL gave the foreign keys this name; in SQLite they have none until the table is made anew.
_FOREIGN_KEY = "%(table_name)s_%(column_0_name)s_fkey"


def upgrade() -> None:
    """Create the profiles, and leave in `workspaces` what writes change."""
    op.create_table(
        "workspace_profiles",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", exact_text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace"),
        sa.UniqueConstraint("name"),
    )
    rows = sa.select(*(_workspaces.c[name] for name in _PROFILE))
    op.execute(sa.insert(_profiles).from_select(_PROFILE, rows))
    # Of a deleted workspace, whose name begins with this character, only the profile is kept.
    op.execute(sa.delete(_workspaces).where(sa.func.substr(_workspaces.c.name, 1, 1) == "\x7f"))
    for name in ("keys", "sessions"):
        with _altering(name) as table:
            table.drop_constraint(f"{name}_workspace_fkey", type_="foreignkey")
            _refer_to_profile(table, name)
    with op.batch_alter_table("workspaces") as table:
        for name in ("name", "password_hash", "created_at"):
            table.drop_column(name)
        _refer_to_profile(table, "workspaces")


@contextmanager
def _altering(name: str) -> Iterator[BatchOperations]:
    """Yield a table to alter, which SQLite then makes anew."""
    with op.batch_alter_table(
        name, table_kwargs={"sqlite_with_rowid": False}, naming_convention={"fk": _FOREIGN_KEY}
    ) as table:
        yield table


def _refer_to_profile(table: BatchOperations, name: str) -> None:
    table.create_foreign_key(f"{name}_workspace_fkey", "workspace_profiles", ["workspace"], ["workspace"])
