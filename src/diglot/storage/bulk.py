"""Writes or finds many rows of a workspace: PostgreSQL gets all at once, SQLite some rows after another.

A statement for each row would cost a server several times what the row itself does. The workspace is one
value beside the rows, because a distributed database then runs the statement on one shard. So is a value that
all rows of an import share, such as the instant of its part, or null in the columns that its file has not.

The driver of SQLite passes the interpreter on with each execution and waits for its turn then. Beside threads
that compute, that takes several times as long as to insert a row, so some rows are one statement.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from diglot.storage.row_order import NO_COLUMNS, Forms, RowOrder, Shared, find_shared
from diglot.storage.schema import workspaces
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.sql.engine import BoundValues, Row
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

# Returns the new value of a column, given the sent values by name.
ColumnSetter = Callable[[Mapping[str, ColumnElement[Any]]], ColumnElement[Any]]
# The values of a row, in the order of the columns of its statement.
OrderedRow = Sequence[Any]
# The rows of each of several keys.
FoundRows = Sequence[Sequence[Row]]
_WORKSPACE: Final = bindparam("in_workspace", type_=workspaces.c.workspace.type)
# Tells for which key a row was found.
_PLACE: Final = Column("place", BigInteger)
_COUNT: Final = "count_of_rows"
# For fewer rows it costs more to compile another form of a statement than to send all values.
_MANY: Final = 100
# The values of a statement that inserts several rows of SQLite.
VALUES_OF_A_STATEMENT: Final = 320


class BulkStatement:
    """A statement for many rows; each row has a value for every column but the workspace.

    `inserts` says that it can have several rows, each with its own values; `finds` that keys find the rows.
    """

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        build: Callable[["BulkRows"], ClauseElement],
        *,
        inserts: bool = False,
        finds: bool = False,
    ) -> None:
        self._columns = columns
        self._build = build
        self._finds = finds
        self._rows_at_once = max(1, VALUES_OF_A_STATEMENT // len(columns)) if inserts else 1
        names = [column.name for column in columns]
        # SQLAlchemy reserves a column's own name for the value that it sets.
        self._bound_names = [f"row_{name}" for name in names]
        # With one column more, because the getter of a single one returns no tuple.
        self._pick_columns = itemgetter(*names, names[0])
        self._for_one = BackendStatement(lambda backend: build(_bind_rows(backend, columns)))
        self._for_many = self._send_all(NO_COLUMNS)
        self._in_order = Forms(self._compile_in_order)
        self._at_once = Forms(self._compile_at_once)

    async def execute(self, tenant: Tenant, rows: Sequence[BoundValues]) -> None:
        """Execute the statement for all rows, which have their values by name."""
        await self.execute_ordered(tenant, list(map(self._pick_columns, rows)))

    async def execute_ordered(self, tenant: Tenant, rows: Sequence[OrderedRow]) -> None:
        """Execute the statement for all rows, which have their values in the order of its columns."""
        if not rows:
            return
        # Several values cost half as much as several arrays of one value.
        if len(rows) == 1:
            await tenant.execute(self._for_one, **dict(zip(self._bound_names, rows[0], strict=False)))
            return
        columns = dict(zip(self._columns, zip(*rows, strict=True), strict=False))
        shared = find_shared(columns) if len(rows) >= _MANY else NO_COLUMNS
        many_rows = tenant.backend.many_rows
        if many_rows is None:
            # The driver of SQLite takes five times as long to bind null as to bind a value.
            nulls = frozenset(one for one in shared if columns[one][0] is None)
            order, _ = self._in_order.find(tenant.backend, nulls)
            await order.execute(tenant, columns)
            return
        statement, shared = self._at_once.find(tenant.backend, shared)
        if len(rows) >= _MANY and not statement.is_compiled(tenant.backend):
            await tenant.transaction.run_off_loop(partial(statement.sql_for, tenant.backend))
        single = {f"row_{one.name}": columns[one][0] for one in shared}
        several = {one: values for one, values in columns.items() if one not in shared}
        await tenant.execute(statement, **single, **many_rows.encode(several), **{_COUNT: len(rows)})

    def _compile_in_order(self, backend: Backend, nulls: Shared) -> RowOrder:
        def compile_rows(size: int) -> Sql:
            return backend.compile(self._build(_bind_rows(backend, self._columns, nulls, size)))

        return RowOrder(self._columns, compile_rows, self._rows_at_once)

    def _compile_at_once(self, backend: Backend, shared: Shared) -> BackendStatement:
        del backend
        return self._send_all(shared) if shared else self._for_many

    def _send_all(self, shared: Shared) -> BackendStatement:
        send = _send_keys if self._finds else _send_rows
        return BackendStatement(lambda backend: self._build(send(backend, self._columns, shared)))


class BulkRows:
    """The rows as a statement sees them: bound values of one row or of several, or a table of all rows.

    `values` are those of the columns by name, of the first row if there are several.
    """

    def __init__(
        self,
        backend: Backend,
        values: Mapping[str, ColumnElement[Any]],
        table: FromClause | None = None,
        others: Sequence[Mapping[str, ColumnElement[Any]]] = (),
    ) -> None:
        self.backend = backend
        self.table = table
        self.values = values
        self.others = others


def _bind(column: Column[Any], row: int = 0) -> ColumnElement[Any]:
    return bindparam(f"row_{column.name}{row or ''}", type_=column.type)


def _bind_rows(
    backend: Backend, columns: Sequence[Column[Any]], nulls: Shared = NO_COLUMNS, size: int = 1
) -> BulkRows:
    """Return the values of a row, or of several; `nulls` are the columns that are null in each."""
    # Not `null()`, with which a comparison would mean something else than with a bound null.
    first, *others = [
        {one.name: literal_column("NULL", one.type) if one in nulls else _bind(one, row) for one in columns}
        for row in range(size)
    ]
    return BulkRows(backend, first, others=others)


def _send_rows(backend: Backend, columns: Sequence[Column[Any]], shared: Shared) -> BulkRows:
    """Return the rows as a table; the shared columns are one value each."""
    assert backend.many_rows is not None
    table = backend.many_rows.build_table([one for one in columns if one not in shared])
    values = {one.name: _bind(one) if one in shared else table.c[one.name] for one in columns}
    return BulkRows(backend, values, table)


def _send_keys(backend: Backend, columns: Sequence[Column[Any]], shared: Shared = NO_COLUMNS) -> BulkRows:
    """Return the rows as a table of keys, by which PostgreSQL looks up each row by itself.

    Their number is a bound limit. A plan that does not know it looks cheap, so that PostgreSQL keeps it. One
    made anew would read all rows of a workspace for each key until there are statistics of it.
    """
    sent = _send_rows(backend, columns, shared)
    assert sent.table is not None
    keys = select(*sent.table.c).limit(bindparam(_COUNT)).subquery("keys_of_rows")
    single = {one.name: sent.values[one.name] for one in shared}
    return BulkRows(backend, {**dict(keys.c), **single}, keys)


class BulkSelect:
    """A select by the values of a key, for many keys.

    `build` returns the select of a key, whose values are those of a row with these columns. `for_one` is that
    of a single key.
    """

    def __init__(self, columns: Sequence[Column[Any]], build: Callable[[BulkRows], Select[Any]]) -> None:
        def build_many(backend: Backend) -> ClauseElement:
            keys = _send_keys(backend, [*columns, _PLACE])
            found = build(keys).offset(literal_column("0")).lateral("found")
            assert keys.table is not None
            return select(*found.c, keys.values[_PLACE.name]).select_from(keys.table.join(found, true()))

        self._columns = columns
        self._bound_names = [f"row_{column.name}" for column in columns]
        self.for_one = BackendStatement(lambda backend: build(_bind_rows(backend, columns)))
        self._for_many = BackendStatement(build_many)

    async def fetch_each(self, tenant: Tenant, keys: Sequence[OrderedRow], **others: Any) -> FoundRows:
        """Return the rows of each key, given in the order of the columns; `others` are further values."""
        many_rows = tenant.backend.many_rows
        if many_rows is None or len(keys) < 2:
            bound = (dict(zip(self._bound_names, key, strict=True), **others) for key in keys)
            return [await tenant.fetch_all(self.for_one, **one) for one in bound]
        columns = [*zip(*keys, strict=True), range(len(keys))]
        sent = many_rows.encode(dict(zip([*self._columns, _PLACE], columns, strict=True)))
        found: list[list[Row]] = [[] for _ in keys]
        for *row, place in await tenant.fetch_all(self._for_many, **sent, **others, **{_COUNT: len(keys)}):
            found[place].append(row)
        return found


def _list_columns(table: Table, order: Sequence[str] = ()) -> list[Column[Any]]:
    """Return the columns of a table but the workspace, for which a statement has its own value."""
    names = order or [column.name for column in table.columns if column.name != "workspace"]
    return [table.c[name] for name in names]


def _insert_rows(table: Table, source: BulkRows) -> Any:
    insert = source.backend.insert(table)
    if source.others:
        return insert.values([{**row, "workspace": _WORKSPACE} for row in (source.values, *source.others)])
    if source.table is None:
        return insert.values(source.values).values(workspace=_WORKSPACE)
    # The row of the workspace says where the others belong; Citus would otherwise collect them first.
    workspace = workspaces.c.workspace
    rows = select(workspace, *source.values.values()).select_from(workspaces, source.table)
    return insert.from_select(["workspace", *source.values], rows.where(workspace == _WORKSPACE))


def _upsert_rows(table: Table, replaced: Sequence[str], source: BulkRows) -> ClauseElement:
    sent = _insert_rows(table, source)
    keys = [column.name for column in table.primary_key.columns]
    statement: ClauseElement = sent.on_conflict_do_update(
        index_elements=keys, set_={name: sent.excluded[name] for name in replaced}
    )
    return statement


def _match_keys(table: Table, keys: Sequence[str], source: BulkRows) -> ColumnElement[bool]:
    return and_(table.c.workspace == _WORKSPACE, *(table.c[name] == source.values[name] for name in keys))


def build_insert(table: Table, replaced: Sequence[str] = (), order: Sequence[str] = ()) -> BulkStatement:
    """Return a statement that inserts rows; if the key exists, `replaced` columns are updated.

    `order` is that of the values in ordered rows, if it is not that of the table.
    """

    def build(source: BulkRows) -> ClauseElement:
        return _upsert_rows(table, replaced, source) if replaced else _insert_rows(table, source)

    return BulkStatement(_list_columns(table, order), build, inserts=True)


def build_replace(table: Table, replaced: Sequence[str], order: Sequence[str] = ()) -> BulkStatement:
    """Return a statement that updates columns of existing rows, which are sent whole, by their primary key.

    PostgreSQL inserts many rows over the existing ones, because it finds a row by its key then, whatever the
    size of the table. `order` is as in `build_insert`.
    """

    def build(source: BulkRows) -> ClauseElement:
        if source.table is not None:
            return _upsert_rows(table, replaced, source)
        keys = [column.name for column in table.primary_key.columns if column.name != "workspace"]
        new = {name: source.values[name] for name in replaced}
        return update(table).where(_match_keys(table, keys, source)).values(new)

    return BulkStatement(_list_columns(table, order), build)


def build_delete(table: Table, keys: Sequence[str]) -> BulkStatement:
    """Return a statement that deletes rows by some of their columns."""
    columns = [table.c[name] for name in keys]
    return BulkStatement(
        columns, lambda source: delete(table).where(_match_keys(table, keys, source)), finds=True
    )


def build_update(
    table: Table, keys: Sequence[str], sent: Sequence[Column[Any]], set_: Mapping[str, ColumnSetter]
) -> BulkStatement:
    """Return a statement that updates rows by keys; new values may depend on other sent values."""

    def build(source: BulkRows) -> ClauseElement:
        new = {name: make(source.values) for name, make in set_.items()}
        return update(table).where(_match_keys(table, keys, source)).values(new)

    return BulkStatement([*(table.c[name] for name in keys), *sent], build, finds=True)
