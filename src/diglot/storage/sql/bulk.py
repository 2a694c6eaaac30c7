"""Many rows at once: PostgreSQL gets them as columns in one statement, SQLite one after another.

A statement for each row costs a server several times what the row itself does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, FromClause, Table, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction, Values
from diglot.storage.sql.statement import BackendStatement

# What a column gets, given the values that are sent by name.
Setting = Callable[[Mapping[str, ColumnElement[Any]]], ColumnElement[Any]]


class Bulk:
    """A statement for many rows; each row gives a value for every one of the columns."""

    def __init__(self, columns: Sequence[Column[Any]], build: Callable[["Source"], ClauseElement]) -> None:
        self._names = [column.name for column in columns]
        self._statement = BackendStatement(lambda backend: build(Source(backend, columns)))

    async def run(self, transaction: Transaction, rows: Sequence[Values]) -> None:
        """Run it for all rows."""
        if not rows:
            return
        if transaction.backend.name == "sqlite":
            await transaction.run_many(self._statement, [_sent(self._names, row) for row in rows])
            return
        together = {name: [row[name] for row in rows] for name in self._names}
        await transaction.run(self._statement, _sent(self._names, together))


def _sent(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    # A column's own name is taken by SQLAlchemy for the value that it sets.
    return {f"row_{name}": values[name] for name in names}


class Source:
    """The rows as a statement sees them: bound values on SQLite, a table on PostgreSQL."""

    def __init__(self, backend: Backend, columns: Sequence[Column[Any]]) -> None:
        self.one_by_one = backend.name == "sqlite"
        self.table: FromClause | None = None
        self.values: dict[str, ColumnElement[Any]] = {}
        if self.one_by_one:
            self.values = {one.name: bindparam(f"row_{one.name}", type_=one.type) for one in columns}
            return
        arrays = [bindparam(f"row_{one.name}", type_=ARRAY(one.type)) for one in columns]
        names = [one.name for one in columns]
        self.table = func.unnest(*arrays).table_valued(*names, name="sent").render_derived()
        self.values = {name: self.table.c[name] for name in names}


def inserting(table: Table, replaced: Sequence[str] = ()) -> Bulk:
    """Return the insertion of rows; where the key is there already, some columns are replaced."""
    columns = list(table.columns)
    names = [column.name for column in columns]
    keys = [column.name for column in table.primary_key.columns]

    def build(source: Source) -> ClauseElement:
        if source.one_by_one:
            lite = sqlite.insert(table).values(source.values)
            if not replaced:
                return lite
            set_ = {name: lite.excluded[name] for name in replaced}
            return lite.on_conflict_do_update(index_elements=keys, set_=set_)
        assert source.table is not None
        server = postgresql.insert(table).from_select(names, select(*source.table.c))
        if not replaced:
            return server
        set_ = {name: server.excluded[name] for name in replaced}
        return server.on_conflict_do_update(index_elements=keys, set_=set_)

    return Bulk(columns, build)


def deleting(table: Table, keys: Sequence[str]) -> Bulk:
    """Return the deletion of rows by some of their columns."""
    columns = [table.c[name] for name in keys]

    def build(source: Source) -> ClauseElement:
        return delete(table).where(*(column == source.values[column.name] for column in columns))

    return Bulk(columns, build)


def updating(table: Table, keys: Sequence[str], sent: Column[Any], set_: Mapping[str, Setting]) -> Bulk:
    """Return the update of rows by keys; what is set may depend on one more value that is sent."""
    columns = [*(table.c[name] for name in keys), sent]

    def build(source: Source) -> ClauseElement:
        here = and_(*(table.c[name] == source.values[name] for name in keys))
        return update(table).where(here).values({name: make(source.values) for name, make in set_.items()})

    return Bulk(columns, build)
