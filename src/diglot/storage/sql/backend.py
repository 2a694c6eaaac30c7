"""The SQL of a database: one record of functions that build expressions.

Statements are SQLAlchemy Core. They are compiled once and executed on the driver itself, with values bound by
position.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from pyroaring import BitMap
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    FromClause,
    PrimaryKeyConstraint,
    Select,
    Table,
    TextClause,
    UniqueConstraint,
    UpdateBase,
    literal_column,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

CLOSE: Final = "\x1e"

Expression = ColumnElement[Any]
# Binds a value and returns its parameter; a list is bound as one parameter.
Bind = Callable[[Any, TypeEngine[Any]], BindParameter[Any]]
if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    # An INSERT that can update the existing row. The dialects are not loaded for a type.
    Upsert = sqlite.Insert | postgresql.Insert

ZERO: Final[Expression] = literal_column("0")
ONE: Final[Expression] = literal_column("1")
# SQLAlchemy's `true()` is 1 on SQLite, which computes both sides of an AND or OR for `IS NOT 1`. For `IS NOT
# TRUE` it stops at the side that decides: a scan for blank texts took 47 ms in place of 79.
TRUE: Final[Expression] = literal_column("TRUE")


@dataclass(frozen=True, slots=True)
class Sql:
    """A compiled statement: its text, the names of its parameters by position, and its constants.

    `tables` are all that it names, None if that is not known; `written` is the one whose rows it changes. In
    each key of a `divisible` one is the workspace, so that a distributed database can divide it by workspace.
    """

    text: str
    parameter_names: tuple[str, ...]
    constants: Mapping[str, Any]
    tables: frozenset[str] | None = None
    written: str | None = None
    divisible: bool = False

    def positional_values(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values by position; a missing value raises KeyError."""
        constants = self.constants
        if not constants:
            return list(map(values.__getitem__, self.parameter_names))
        return [values[name] if name in values else constants[name] for name in self.parameter_names]


class PositionalSql(Sql):
    """A statement whose values come by position already."""

    __slots__ = ()

    def positional_values(self, values: Any) -> Any:
        return values


class ManyRows(msgspec.Struct, frozen=True):
    """How at least two rows are sent as the values of one statement.

    `build_table` returns a table of rows with these columns. `encode` returns its bound values, given the
    values of each column.
    """

    build_table: Callable[[Sequence[Column[Any]]], FromClause]
    encode: Callable[[Mapping[Column[Any], Sequence[Any]]], dict[str, Any]]


class WorkspaceNodes(msgspec.Struct, frozen=True):
    """Statements that tell on which node of a distributed database each workspace is.

    Both read only what every node knows, so that no other node has to answer. `are_known` returns whether the
    database is distributed. `of_numbers` returns a row (workspace, node) for each workspace in the list
    `numbers`; a node is a number.
    """

    are_known: ClauseElement
    of_numbers: ClauseElement


@dataclass(frozen=True, kw_only=True, eq=False)
class Backend:
    """The SQL of a database; each function builds an expression."""

    name: str
    dialect: Dialect
    position: Callable[[Expression, Expression], Expression]
    """The position of a part in a text, from 1; 0 if the text does not contain it."""
    suffix: Callable[[Expression, Expression], Expression]
    """The last n characters of a text."""
    after_mark: Callable[[Expression, Expression, Expression], Expression]
    """The text after a mark in a token document that contains it (mark, length of the mark)."""
    slice_after_mark: Callable[[Expression, Expression, Expression, int, int], Expression]
    """Some characters of that text (mark, length of the mark, position of the first from 1, how many)."""
    up_to_mark: Callable[[Expression], Expression]
    """The beginning of that text, up to CLOSE: the value of the token."""
    one_of: Callable[[Expression, Sequence[Any], TypeEngine[Any], Bind], Expression]
    """Whether the expression equals one of the values."""
    is_among: Callable[[Expression, Select[Any]], Expression]
    """Whether the expression is among the keys of a select of one column, none of which is NULL."""
    contains_any: Callable[[Expression, Sequence[str], Bind], Expression]
    """Whether the text contains one of the parts."""
    any_part_one_of: Callable[[Expression, str, Sequence[str], Bind], Expression]
    """Whether a part of the text, which a separator divides, equals one of the values."""
    in_any_span: Callable[[Expression, Sequence[int], Bind], Expression]
    """Whether the number lies in one of the spans, given as begin, end, begin, end and so on, ascending.

    A span includes its begin, not its end.
    """
    has_bit: Callable[[Expression, Expression, Expression], Expression]
    """Whether a bit of some bytes is set (bytes, how many bits they have, number of the bit).

    Bit 0 is the lowest of the first byte; what lies beyond the bytes is not set.
    """
    is_ascii: Callable[[Expression], Expression]
    """Whether a text has no character beyond ASCII."""
    ascii_length: Callable[[Expression], Expression]
    """The length of a text that has no character beyond ASCII."""
    has_character: Callable[[Expression, str], Expression]
    """Whether a text has one of some characters beyond ASCII."""
    occurs_twice: Callable[[Expression, str, Bind], Expression]
    """Whether a text contains a part at least twice; the occurrences do not overlap."""
    lower_ascii: Callable[[Expression], Expression]
    """A text with the letters of ASCII in lower case; other characters may be changed, too."""
    json_path: Callable[[Sequence[str]], Any]
    """The value to bind for the path of a member of a JSON object, given the names on the way.

    They have neither a quote nor a backslash.
    """
    json_path_type: TypeEngine[Any]
    """The type of that value."""
    json_part: Callable[[Expression, Expression], Expression]
    """How a member of a JSON text is spelled, by its path; NULL or `null` if there is none.

    Numbers and texts without escapes are spelled as they are in the JSON text; an empty array may be `[`.
    Spellings are ordered by code point.
    """
    encode_list: Callable[[Sequence[Any]], Any]
    """Encodes a list as the value of one parameter."""
    select_keys: Callable[[Select[Any], Expression], Select[Any]]
    """Changes a select of keys to return them as cheaply as possible, in any order."""
    decode_keys: Callable[[Sequence[Sequence[Any]]], BitMap]
    """Decodes the keys that such a select returned."""
    join_texts: Callable[[Expression], Expression]
    """All values of a column as one text with commas between them, in the order of the rows."""
    insert: Callable[[Table], "Upsert"]
    """An INSERT into a table, with `on_conflict_do_update` and the `excluded` row."""
    rows_from_arrays: Callable[[Sequence[Column[Any]]], FromClause] | None
    """A table of the rows, which are sent as one array for each column, named `row_` plus its name.

    None if a statement costs no round trip, so that rows are sent one by one.
    """
    many_rows: ManyRows | None = None
    """How many rows are sent at once; None if they are sent one by one."""
    plan_by_index: tuple[ClauseElement, ClauseElement] | None = None
    """Statements that begin and end the use of plans that look up rows by an index, within a transaction.

    None if plans do not depend on the sizes of tables and on statistics of values.
    """
    workspace_nodes: WorkspaceNodes | None = None
    """How to find the node of a workspace; None for a database on one machine."""
    list_refusals: Callable[[], tuple[type[Exception], ...]]
    """Returns the driver's errors about rows: a key that is in use, a value that the database cannot hold."""
    has_ephemeral_schema: bool
    """Whether the ephemeral tables are a schema of the database, which a migration creates."""

    def compile(self, statement: ClauseElement) -> Sql:
        """Return the SQL of a statement."""
        compiled = cast(Any, statement.compile(dialect=self.dialect))
        # SQLAlchemy gives a parameter without a value None, which would hide a value that the caller forgot.
        unbound = {name for name, parameter in compiled.binds.items() if parameter.required}
        constants = {name: value for name, value in compiled.params.items() if name not in unbound}
        sql = Sql(str(compiled), tuple(compiled.positiontup or ()), constants)
        return sql if isinstance(statement, TextClause) else _with_tables(sql, statement)


def _with_tables(sql: Sql, statement: ClauseElement) -> Sql:
    """Return a compiled statement with the tables that it names."""
    tables = frozenset(one.fullname for one in visitors.iterate(statement) if isinstance(one, Table))
    written = statement.table if isinstance(statement, UpdateBase) else None
    if not isinstance(written, Table):
        return replace(sql, tables=tables)
    keys = [one for one in written.constraints if isinstance(one, (PrimaryKeyConstraint, UniqueConstraint))]
    divisible = all("workspace" in key.columns for key in keys)
    return replace(sql, tables=tables, written=written.fullname, divisible=divisible)
