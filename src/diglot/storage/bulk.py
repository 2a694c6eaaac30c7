"""Writes many rows of a workspace: PostgreSQL gets one array for each column, SQLite one row after another.

A statement for each row would cost a server several times what the row itself does. The workspace is one
value beside the arrays, because a distributed database then runs the statement on one shard.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Column, FromClause, Table, and_, bindparam, delete, select, update
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from diglot.storage.schema import workspaces
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.sql.engine import BoundValues
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

# Returns the new value of a column, given the sent values by name.
ColumnSetter = Callable[[Mapping[str, ColumnElement[Any]]], ColumnElement[Any]]
_WORKSPACE: Final = bindparam("in_workspace", type_=workspaces.c.workspace.type)


class BulkStatement:
    """A statement for many rows; each row has a value for every column but the workspace."""

    def __init__(self, columns: Sequence[Column[Any]], build: Callable[["BulkRows"], ClauseElement]) -> None:
        # SQLAlchemy reserves a column's own name for the value that it sets.
        names = [column.name for column in columns]
        self._bound_names = [(f"row_{name}", name) for name in names]
        self._column_names = dict(self._bound_names)
        # With one column more, because the getter of a single one returns no tuple.
        self._pick_columns = itemgetter(*names, names[0])
        self._orders: dict[Backend, _RowOrder] = {}
        self._for_one = BackendStatement(lambda backend: build(BulkRows(backend, columns)))
        self._for_many = BackendStatement(lambda backend: build(_rows_from_arrays(backend, columns)))

    async def execute(self, tenant: Tenant, rows: Sequence[BoundValues]) -> None:
        """Execute the statement for all rows."""
        if not rows:
            return
        # Arrays of one value would cost twice as much as the values themselves.
        if len(rows) == 1:
            names = self._bound_names
            await tenant.execute(self._for_one, **{bound: rows[0][name] for bound, name in names})
            return
        if tenant.backend.rows_from_arrays is None:
            order = self._orders.get(tenant.backend) or self._find_order(tenant.backend)
            await tenant.transaction.execute_many(order, order.arrange(tenant.workspace, rows))
            return
        columns = zip(*map(self._pick_columns, rows), strict=True)
        arrays = dict(zip(self._column_names, map(list, columns), strict=False))
        await tenant.execute(self._for_many, **arrays)

    def _find_order(self, backend: Backend) -> "_RowOrder":
        order = _RowOrder(self._for_one.sql_for(backend), self._column_names)
        self._orders[backend] = order
        return order


class _PositionalSql(Sql):
    """A statement whose values come by position already."""

    def positional_values(self, values: Any) -> Any:
        return values


class _RowOrder:
    """A statement for one row, and the order of its values.

    To name the values of each row of an import, only to put them in order again, would take a third of the
    time that SQLite needs for the row.
    """

    def __init__(self, sql: Sql, column_names: Mapping[str, str]) -> None:
        self._sql = _PositionalSql(sql.text, sql.parameter_names, {})
        # The workspace, under its key, is a value like the others.
        names = [column_names.get(name, _WORKSPACE.key) for name in sql.parameter_names]
        self._pick = itemgetter(*names)

    def sql_for(self, backend: Backend) -> Sql:
        """Return the SQL, which was compiled for this backend."""
        del backend
        return self._sql

    def arrange(self, workspace: int, rows: Sequence[BoundValues]) -> Any:
        """Return the values of each row by position."""
        own = {_WORKSPACE.key: workspace}
        return [self._pick({**row, **own}) for row in rows]


class BulkRows:
    """The rows as a statement sees them: bound values of one row, or a table of all rows."""

    def __init__(
        self, backend: Backend, columns: Sequence[Column[Any]], table: FromClause | None = None
    ) -> None:
        self.backend = backend
        self.table = table
        self.values: dict[str, ColumnElement[Any]] = {
            one.name: bindparam(f"row_{one.name}", type_=one.type) if table is None else table.c[one.name]
            for one in columns
        }


def _rows_from_arrays(backend: Backend, columns: Sequence[Column[Any]]) -> BulkRows:
    assert backend.rows_from_arrays is not None
    return BulkRows(backend, columns, backend.rows_from_arrays(columns))


def _list_columns(table: Table) -> list[Column[Any]]:
    """Return the columns of a table but the workspace, for which a statement has its own value."""
    return [column for column in table.columns if column.name != "workspace"]


def _insert_rows(table: Table, source: BulkRows) -> Any:
    insert = source.backend.insert(table)
    if source.table is None:
        return insert.values(source.values).values(workspace=_WORKSPACE)
    # The row of the workspace says where the others belong; Citus would otherwise collect them first.
    workspace = workspaces.c.workspace
    rows = select(workspace, *source.table.c).where(workspace == _WORKSPACE)
    return insert.from_select(["workspace", *source.values], rows)


def _upsert_rows(table: Table, replaced: Sequence[str], source: BulkRows) -> ClauseElement:
    sent = _insert_rows(table, source)
    keys = [column.name for column in table.primary_key.columns]
    statement: ClauseElement = sent.on_conflict_do_update(
        index_elements=keys, set_={name: sent.excluded[name] for name in replaced}
    )
    return statement


def _match_keys(table: Table, keys: Sequence[str], source: BulkRows) -> ColumnElement[bool]:
    return and_(table.c.workspace == _WORKSPACE, *(table.c[name] == source.values[name] for name in keys))


def build_insert(table: Table, replaced: Sequence[str] = ()) -> BulkStatement:
    """Return a statement that inserts rows; if the key exists, `replaced` columns are updated."""

    def build(source: BulkRows) -> ClauseElement:
        return _upsert_rows(table, replaced, source) if replaced else _insert_rows(table, source)

    return BulkStatement(_list_columns(table), build)


def build_replace(table: Table, replaced: Sequence[str]) -> BulkStatement:
    """Return a statement that updates columns of existing rows, which are sent whole, by their primary key.

    PostgreSQL inserts many rows over the existing ones, because it finds a row by its key then, whatever the
    size of the table.
    """

    def build(source: BulkRows) -> ClauseElement:
        if source.table is not None:
            return _upsert_rows(table, replaced, source)
        keys = [column.name for column in table.primary_key.columns if column.name != "workspace"]
        new = {name: source.values[name] for name in replaced}
        return update(table).where(_match_keys(table, keys, source)).values(new)

    return BulkStatement(_list_columns(table), build)


def build_delete(table: Table, keys: Sequence[str]) -> BulkStatement:
    """Return a statement that deletes rows by some of their columns."""
    columns = [table.c[name] for name in keys]
    return BulkStatement(columns, lambda source: delete(table).where(_match_keys(table, keys, source)))


def build_update(
    table: Table, keys: Sequence[str], sent: Sequence[Column[Any]], set_: Mapping[str, ColumnSetter]
) -> BulkStatement:
    """Return a statement that updates rows by keys; new values may depend on other sent values."""

    def build(source: BulkRows) -> ClauseElement:
        new = {name: make(source.values) for name, make in set_.items()}
        return update(table).where(_match_keys(table, keys, source)).values(new)

    return BulkStatement([*(table.c[name] for name in keys), *sent], build)
