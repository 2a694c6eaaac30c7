"""Databases at an earlier revision of the schema, with the rows that they would have had then."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from alembic import command
from sqlalchemy import Connection, MetaData, insert, select

from diglot.model.events import read_order_id
from diglot.storage.schema import ephemeral_metadata, metadata, migrate
from diglot.storage.sql.database import Database
from diglot.storage.sql.databases import find_database

Rows = dict[str, list[dict[str, Any]]]


async def take_back(url: str, revision: str) -> None:
    """Give a database the tables of an earlier revision, with as much of its rows as those hold."""
    database = find_database(url)
    migrator = database.load_migrator()
    async with migrator.begin(url) as transaction:
        rows = await transaction.run_sync(partial(_take_rows, database=database))
    # Another connection, because the first one knows tables of the same names.
    async with migrator.begin(url) as transaction:
        await transaction.run_sync(partial(_make_tables, database=database, revision=revision, rows=rows))


def _take_rows(connection: Connection, database: Database) -> Rows:
    """Drop all tables and return their rows, those of profiles also in the row of their workspace."""
    rows = {table.name: _all_of(connection, table) for table in metadata.sorted_tables}
    profiles = {profile["workspace"]: profile for profile in rows["workspace_profiles"]}
    rows["workspaces"] = [row | profiles[row["workspace"]] for row in rows["workspaces"]]
    rows["events"] = [row | {"order_id": read_order_id(row["source_id"])} for row in rows["events"]]
    metadata.drop_all(connection)
    connection.exec_driver_sql("DROP TABLE alembic_version")
    if database.has_ephemeral_schema:
        ephemeral_metadata.drop_all(connection)
    return rows


def _all_of(connection: Connection, table: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def _make_tables(connection: Connection, database: Database, revision: str, rows: Rows) -> None:
    config = migrate._alembic_config()
    config.attributes.update(connection=connection, database=database, report=lambda _: None)
    command.upgrade(config, revision)
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        for row in _without_others(rows.get(table.name, ()), table.c.keys()):
            connection.execute(insert(table), row)


def _without_others(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in columns} for row in rows]
