"""Writes many rows at once: PostgreSQL gets them as one array for each column, SQLite one after another.

A statement for each row would cost a server several times what the row itself does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, FromClause, Table, and_, bindparam, delete, select, update
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import BoundValues, Transaction
from diglot.storage.sql.statement import BackendStatement

# Returns the new value of a column, given the sent values by name.
ColumnSetter = Callable[[Mapping[str, ColumnElement[Any]]], ColumnElement[Any]]


class BulkStatement:
    """A statement for many rows; each row has a value for every column."""

    def __init__(self, columns: Sequence[Column[Any]], build: Callable[["BulkRows"], ClauseElement]) -> None:
        self._column_names = [column.name for column in columns]
        self._statement = BackendStatement(lambda backend: build(BulkRows(backend, columns)))

    async def execute(self, transaction: Transaction, rows: Sequence[BoundValues]) -> None:
        """Execute the statement for all rows."""
        if not rows:
            return
        if transaction.backend.rows_from_arrays is None:
            await transaction.execute_many(
                self._statement, [_prefixed_values(self._column_names, row) for row in rows]
            )
            return
        together = {name: [row[name] for row in rows] for name in self._column_names}
        await transaction.execute(self._statement, _prefixed_values(self._column_names, together))


def _prefixed_values(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    # SQLAlchemy reserves a column's own name for the value that it sets.
    return {f"row_{name}": values[name] for name in names}


class BulkRows:
    """The rows as a statement sees them: bound values of one row, or a table of all rows."""

    def __init__(self, backend: Backend, columns: Sequence[Column[Any]]) -> None:
        self.backend = backend
        self.table: FromClause | None = None
        self.values: dict[str, ColumnElement[Any]] = {}
        if backend.rows_from_arrays is None:
            self.values = {one.name: bindparam(f"row_{one.name}", type_=one.type) for one in columns}
        else:
            self.table = backend.rows_from_arrays(columns)
            self.values = {one.name: self.table.c[one.name] for one in columns}


def build_insert(table: Table, replaced: Sequence[str] = ()) -> BulkStatement:
    """Return a statement that inserts rows; if the key exists, `replaced` columns are updated."""
    columns = list(table.columns)
    names = [column.name for column in columns]
    keys = [column.name for column in table.primary_key.columns]

    def build(source: BulkRows) -> ClauseElement:
        sent = source.backend.insert(table)
        if source.table is None:
            sent = sent.values(source.values)
        else:
            sent = sent.from_select(names, select(*source.table.c))
        if not replaced:
            return sent
        set_ = {name: sent.excluded[name] for name in replaced}
        return sent.on_conflict_do_update(index_elements=keys, set_=set_)

    return BulkStatement(columns, build)


def build_delete(table: Table, keys: Sequence[str]) -> BulkStatement:
    """Return a statement that deletes rows by some of their columns."""
    columns = [table.c[name] for name in keys]

    def build(source: BulkRows) -> ClauseElement:
        return delete(table).where(*(column == source.values[column.name] for column in columns))

    return BulkStatement(columns, build)


def build_update(
    table: Table, keys: Sequence[str], sent: Sequence[Column[Any]], set_: Mapping[str, ColumnSetter]
) -> BulkStatement:
    """Return a statement that updates rows by keys; new values may depend on other sent values."""
    columns = [*(table.c[name] for name in keys), *sent]

    def build(source: BulkRows) -> ClauseElement:
        here = and_(*(table.c[name] == source.values[name] for name in keys))
        return update(table).where(here).values({name: make(source.values) for name, make in set_.items()})

    return BulkStatement(columns, build)
