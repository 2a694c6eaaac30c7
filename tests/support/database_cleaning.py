"""Cleans a PostgreSQL database that a test leaves, so that another test can get it.

A clean-up costs a hundredth of a copy of the template and its deletion. A database is cleaned only if nothing
but a few rows tells it from a new one: its catalogs are those of a new one, and each table is so small that
the planner takes it for an empty one, whether it holds deleted rows or not.
"""

from typing import Any, Final

from diglot.storage.schema import ephemeral_metadata, metadata

# The planner counts this many pages for any table that has fewer and was never analyzed.
_PAGES: Final = 10
_PAGE_BYTES: Final = 8192
_MILLISECONDS: Final = 10_000
_CATALOGS: Final = (
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_event_trigger",
    "pg_extension",
    "pg_index",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_rewrite",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_type",
)
# Every change of a catalog gives a row another transaction or removes it; only VACUUM and ANALYZE write
# figures in place.
_SETTINGS: Final = """
SELECT 'settings', count(*), 0 FROM pg_db_role_setting JOIN pg_database ON oid = setdatabase
WHERE datname = current_database()
"""
_STATE: Final = " UNION ALL ".join(
    (
        *(f"SELECT '{name}', count(*), sum(xmin::text::bigint) FROM {name}" for name in _CATALOGS),
        "SELECT 'analyzed', count(*), sum(reltuples + relpages) FROM pg_class WHERE oid >= 16384",
        _SETTINGS,
        "SELECT 'revision ' || version_num, 1, 0 FROM alembic_version",
    )
)
_END_SESSIONS: Final = (
    "SELECT bool_and(pg_terminate_backend(pid, $1)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
_LARGEST: Final = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE oid >= 16384 AND relkind = 'r'"
_TABLES: Final = [*reversed(metadata.sorted_tables), *reversed(ephemeral_metadata.sorted_tables)]
_DELETE_ALL: Final = ";".join(
    ("BEGIN", *(f"DELETE FROM {table.fullname}" for table in _TABLES), "COMMIT", "SELECT pg_stat_reset()")
)

State = list[tuple[str, int, int]]


async def read_state(connection: Any) -> State:
    """Return what a database must equal to be cleaned: the state of its catalogs, and its revision."""
    return [tuple(row) for row in await connection.fetch(_STATE)]


async def clean(connection: Any, new: State) -> bool:
    """End the sessions of a database and delete its rows; return False if it has to be dropped instead.

    `new` is the state of a new database.
    """
    ended = await connection.fetchval(_END_SESSIONS, _MILLISECONDS)
    if ended is False or await read_state(connection) != new:
        return False
    if await connection.fetchval(_LARGEST) >= _PAGES * _PAGE_BYTES:
        return False
    await connection.execute(_DELETE_ALL)
    return True
