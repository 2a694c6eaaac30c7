"""Rows with a marker in every column of every table that belongs to a workspace."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, Table, insert, select

from diglot.model.segments import SegmentType
from diglot.storage.connect import create_engine
from diglot.storage.schema import contacts, metadata, segments, workspace_profiles, workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

OF_WORKSPACES: Final = tuple(table for table in metadata.sorted_tables if "workspace" in table.c)
# Columns whose values Diglot reads.
_READ: Final[dict[Column[Any], Any]] = {
    workspace_profiles.c.time_zone: "UTC",
    workspaces.c.time_zone: "UTC",
    segments.c.type: SegmentType.DYNAMIC.value,
    segments.c.invalid: None,
    contacts.c.attributes: "{}",
    contacts.c.tags: "[]",
    segments.c.tree: '{"type":"all","items":[]}',
    segments.c.expanded: '{"type":"all","items":[]}',
    contacts.c.status: "subscribed",
}


def _value_of(column: Column[Any], workspace: int, number: int, marker: str) -> Any:
    if column in _READ:
        return _READ[column]
    if column.name == "workspace":
        return workspace
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer | Float):
        return number
    text = f"{marker} {column.name} {workspace} {number}"
    return text.encode() if isinstance(column.type, LargeBinary) else text


def _rows_of(table: Table, workspace: int, count: int, marker: str) -> Iterator[dict[str, Any]]:
    is_single = [column.name for column in table.primary_key.columns] == ["workspace"]
    for number in range(1, 2 if is_single else count + 1):
        yield {column.name: _value_of(column, workspace, number, marker) for column in table.c}


async def insert_marked(url: str, workspace: int, name: str, count: int, marker: str) -> None:
    """Insert so many rows into every table of a workspace; rows of equal numbers refer to each other."""

    async def work(transaction: Transaction) -> None:
        for table in OF_WORKSPACES:
            rows = list(_rows_of(table, workspace, count, marker))
            if table is workspace_profiles:
                rows[0]["name"] = name
            await transaction.execute_many(Statement(insert(table)), rows)

    engine = create_engine(url)
    await engine.open()
    await engine.write(work)
    await engine.close()


def workspace_of(table: str, row: Any) -> int:
    """Return the workspace of a row."""
    number: int = row[list(metadata.tables[table].c.keys()).index("workspace")]
    return number


async def load_rows(url: str, tables: Iterable[Table] = metadata.sorted_tables) -> dict[str, list[Any]]:
    """Return all rows of tables in their order, by the name of the table."""

    async def work(transaction: Transaction) -> dict[str, list[Any]]:
        return {
            table.name: [
                tuple(row)
                for row in await transaction.fetch_all(Statement(select(table).order_by(*table.primary_key)))
            ]
            for table in tables
        }

    engine = create_engine(url)
    await engine.open()
    try:
        return await engine.read(work)
    finally:
        await engine.close()
