"""Rows whose values come by position: how SQLite gets the rows of a statement for many.

A statement has forms, too: for columns that have one value in all rows, this is sent once.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column

from diglot.storage.sql.backend import Backend, PositionalSql, Sql
from diglot.storage.sql.statement import ShapedStatement
from diglot.storage.tenant import Tenant

# The values of rows by column, in the order of the rows.
ByColumn = Mapping[Column[Any], Sequence[Any]]
# The columns that have one value in all rows.
Shared = frozenset[Column[Any]]
NO_COLUMNS: Final[Shared] = frozenset()
# Forms of a statement that are kept, each for other shared columns; an import needs few.
_MOST_FORMS: Final = 32
T = TypeVar("T")


def find_shared(columns: ByColumn) -> Shared:
    """Return the columns that have one value in all rows; at least one column is left."""
    shared = [
        one
        for one, values in columns.items()
        if values[0] == values[-1] and values.count(values[0]) == len(values)
    ]
    return frozenset(shared[1:] if len(shared) == len(columns) else shared)


def _to_positional(sql: Sql) -> ShapedStatement:
    assert not sql.constants, "all values come with the rows"
    return ShapedStatement(PositionalSql(sql.text, sql.parameter_names, {}), {})


class RowOrder:
    """A statement for one row, the same for `size` rows, and the order of the values of a row.

    To name the values of each row of an import, only to put them in order again, would take a third of the
    time that SQLite needs for the row.
    """

    def __init__(self, columns: Sequence[Column[Any]], compile_rows: Callable[[int], Sql], size: int) -> None:
        sql = compile_rows(1)
        self._one = _to_positional(sql)
        self._several: ShapedStatement | None = None
        self._compile_rows, self._size = compile_rows, size
        by_name = {f"row_{column.name}": column for column in columns}
        # The workspace is a value like the others.
        self._columns = [by_name.get(name) for name in sql.parameter_names]

    async def execute(self, tenant: Tenant, columns: ByColumn) -> None:
        """Execute the statement for all rows."""
        rows, size = self._arrange(tenant.workspace, columns), self._size
        end = len(rows) // size * size if size > 1 else 0
        if end:
            if self._several is None:
                self._several = _to_positional(self._compile_rows(size))
            joined: list[Any] = [
                tuple(chain.from_iterable(rows[first : first + size])) for first in range(0, end, size)
            ]
            await tenant.transaction.execute_many(self._several, joined)
        if end < len(rows):
            await tenant.transaction.execute_many(self._one, rows[end:])

    def _arrange(self, workspace: int, columns: ByColumn) -> list[Any]:
        """Return the values of each row by position."""
        own = repeat(workspace, len(next(iter(columns.values()))))
        return list(zip(*(own if one is None else columns[one] for one in self._columns), strict=True))


class Forms(Generic[T]):
    """The forms of a statement that were compiled, each for some shared columns."""

    def __init__(self, compile_form: Callable[[Backend, Shared], T]) -> None:
        self._compile = compile_form
        self._known: dict[Backend, dict[Shared, T]] = {}

    def find(self, backend: Backend, shared: Shared) -> tuple[T, Shared]:
        """Return a form for rows with these shared columns, and those of them that it is for.

        A file may have columns that are empty in almost all rows. Then the parts of its import would need
        more forms than are worth compiling, and a known one is taken that sends more values.
        """
        known = self._known.setdefault(backend, {})
        if shared not in known and len(known) >= _MOST_FORMS:
            shared = max((one for one in list(known) if one <= shared), key=len, default=NO_COLUMNS)
        if (form := known.get(shared)) is None:
            form = known[shared] = self._compile(backend, shared)
        return form, shared
