"""The few primitives in which the databases differ, and how a statement becomes their SQL.

A backend is one record. Statements are SQLAlchemy Core; they are compiled once and run on the driver
itself, with values bound by position.
"""

import json
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from pyroaring import BitMap
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Float,
    Integer,
    Select,
    Text,
    and_,
    any_,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from diglot.storage.predicates.token_documents import CLOSE

Expression = ColumnElement[Any]
_decode_keys = msgspec.json.Decoder(list[int]).decode
# Binds a value and returns its parameter; a list travels as one parameter.
Bind = Callable[[Any, TypeEngine[Any]], BindParameter[Any]]

ZERO: Final[Expression] = literal_column("0")
ONE: Final[Expression] = literal_column("1")
# A double's denominator is 2 to the power of 1,074 at most, an integer of SQLite 2 to the power of 62.
_MOST_POWER: Final = 62
_MOST_BEYOND: Final = 1_074 - _MOST_POWER


@dataclass(frozen=True, slots=True)
class Sql:
    """A compiled statement: its text, the names of its parameters by position, and its constants."""

    text: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def positional(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values by position; a missing one raises KeyError."""
        constants = self.constants
        return [values[name] if name in values else constants[name] for name in self.names]


@dataclass(frozen=True, slots=True)
class Backend:
    """What a database says in its own words; each function builds an expression."""

    name: str
    dialect: Dialect
    position: Callable[[Expression, Expression], Expression]
    """Where a part stands in a text, from 1; 0 where it does not."""
    last: Callable[[Expression, Expression], Expression]
    """The last n characters of a text."""
    rest_after: Callable[[Expression, Expression, Expression], Expression]
    """What follows a mark in a token document that has it (mark, length of the mark)."""
    until_close: Callable[[Expression], Expression]
    """The beginning of such a rest, up to CLOSE: the value of the token."""
    is_any: Callable[[Expression, Sequence[Any], TypeEngine[Any], Bind], Expression]
    """True when the expression equals one of the values."""
    has_any: Callable[[Expression, Sequence[str], Bind], Expression]
    """True when the text contains one of the parts."""
    within_any: Callable[[Expression, Sequence[tuple[int, int]], Bind], Expression]
    """True when the number lies in one of the spans (begin included, end excluded)."""
    encode_list: Callable[[Sequence[Any]], Any]
    """How a list travels as one parameter."""
    gather: Callable[[Select[Any], Expression], Select[Any]]
    """Makes a select of keys one that returns them as cheaply as it can, in any order."""
    gathered: Callable[[Sequence[Sequence[Any]]], BitMap]
    """The keys that such a select returned."""

    def compile(self, statement: ClauseElement) -> Sql:
        """Return the SQL of a statement."""
        compiled = cast(Any, statement.compile(dialect=self.dialect))
        return Sql(str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params))


class _HintingCompiler(SQLiteCompiler):
    """Carries `INDEXED BY`, which the stock compiler drops without a word."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002
        return text


class _SQLiteDialect(SQLiteDialect_pysqlite):
    statement_compiler = _HintingCompiler
    supports_statement_cache = True


def _instr(haystack: Expression, needle: Expression) -> Expression:
    return func.instr(haystack, needle)


def _substr_last(text: Expression, length: Expression) -> Expression:
    return func.substr(text, -length)


def _instr_rest_after(document: Expression, mark: Expression, length: Expression) -> Expression:
    return func.substr(document, func.instr(document, mark) + length)


def _instr_until_close(rest: Expression) -> Expression:
    return func.substr(rest, ONE, func.instr(rest, literal_column(f"char({ord(CLOSE)})")) - ONE)


def _each(parameter: Expression) -> Any:
    return func.json_each(parameter).table_valued("value", name="each")


def _json_is_any(
    expression: Expression, values: Sequence[Any], kind: TypeEngine[Any], bind: Bind
) -> Expression:
    if isinstance(kind, Float):
        whole = [int(value) for value in values if value == int(value)]
        found = [expression.in_(part) for part in _json_fractions(values, bind)]
        return or_(_json_is_any(expression, whole, BigInteger(), bind), *found)
    each = _each(bind(values, Text()))
    return expression.in_(select(each.c.value))


def _json_fractions(values: Sequence[float], bind: Bind) -> Iterator[Select[Any]]:
    """Yield selects of the doubles with a fraction.

    SQLite's reading of a decimal may be off by the last bit. So a double travels as two integers, its
    numerator and a power of two; what the power lacks of the denominator is bound as a double of its own.
    """
    scaled: dict[int, list[tuple[int, int]]] = {0: []}
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        power = denominator.bit_length() - 1
        beyond = min(-(-max(power - _MOST_POWER, 0) // _MOST_POWER) * _MOST_POWER, _MOST_BEYOND)
        if power:
            scaled.setdefault(beyond, []).append((numerator, 1 << power - beyond))
    for beyond, ratios in scaled.items():
        each = _each(bind(ratios, Text()))
        numerator_read = cast_to(func.json_extract(each.c.value, literal_column("'$[0]'")), Float(53))
        denominator_read = func.json_extract(each.c.value, literal_column("'$[1]'"))
        yield select(numerator_read.op("/")(denominator_read).op("/")(bind(2.0**beyond, Float(53))))


def _json_has_any(text: Expression, parts: Sequence[str], bind: Bind) -> Expression:
    each = _each(bind(parts, Text()))
    return exists(select(ONE).select_from(each).where(func.instr(text, each.c.value) > ZERO))


def _json_within_any(number: Expression, spans: Sequence[tuple[int, int]], bind: Bind) -> Expression:
    each = _each(bind(spans, Text()))
    begin = func.json_extract(each.c.value, literal_column("'$[0]'"))
    end = func.json_extract(each.c.value, literal_column("'$[1]'"))
    return exists(select(ONE).select_from(each).where(and_(number >= begin, number < end)))


def _json_list(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _strpos(haystack: Expression, needle: Expression) -> Expression:
    return func.strpos(haystack, needle)


def _right(text: Expression, length: Expression) -> Expression:
    return func.right(text, length)


def _split_rest_after(document: Expression, mark: Expression, length: Expression) -> Expression:
    del length
    return func.split_part(document, mark, literal_column("2"))


def _split_until_close(rest: Expression) -> Expression:
    return func.split_part(rest, literal_column(f"chr({ord(CLOSE)})"), ONE)


def _array_is_any(
    expression: Expression, values: Sequence[Any], kind: TypeEngine[Any], bind: Bind
) -> Expression:
    return expression == any_(bind(values, ARRAY(kind)))


def _array_has_any(text: Expression, parts: Sequence[str], bind: Bind) -> Expression:
    part = func.unnest(bind(parts, ARRAY(Text()))).table_valued("part", name="part")
    return exists(select(ONE).select_from(part).where(func.strpos(text, part.c.part) > ZERO))


def _array_within_any(number: Expression, spans: Sequence[tuple[int, int]], bind: Bind) -> Expression:
    begins = bind([begin for begin, _ in spans], ARRAY(BigInteger()))
    ends = bind([end for _, end in spans], ARRAY(BigInteger()))
    span = func.unnest(begins, ends).table_valued("begin", "end", name="span").render_derived()
    return exists(select(ONE).select_from(span).where(and_(number >= span.c.begin, number < span.c["end"])))


# A row for each key costs the driver more than the scan.
def _gather_json(keys: Select[Any], key: Expression) -> Select[Any]:
    return keys.with_only_columns(func.json_group_array(key))


def _gathered_json(rows: Sequence[Sequence[Any]]) -> BitMap:
    return BitMap(_decode_keys(rows[0][0]))


def _gather_bytes(keys: Select[Any], key: Expression) -> Select[Any]:
    packed = func.int4send(cast_to(key, Integer))
    return keys.with_only_columns(func.string_agg(packed, literal_column("''::bytea"))).group_by(
        key.op(">>")(literal_column("16"))
    )


def _gathered_bytes(rows: Sequence[Sequence[Any]]) -> BitMap:
    keys = array("I")
    for row in rows:
        keys.frombytes(row[0])
    if sys.byteorder == "little":
        keys.byteswap()
    return BitMap(keys)


SQLITE: Final = Backend(
    name="sqlite",
    dialect=_SQLiteDialect(paramstyle="qmark"),
    position=_instr,
    last=_substr_last,
    rest_after=_instr_rest_after,
    until_close=_instr_until_close,
    is_any=_json_is_any,
    has_any=_json_has_any,
    within_any=_json_within_any,
    encode_list=_json_list,
    gather=_gather_json,
    gathered=_gathered_json,
)
POSTGRESQL: Final = Backend(
    name="postgresql",
    dialect=PGDialect_asyncpg(),  # type: ignore[no-untyped-call]
    position=_strpos,
    last=_right,
    rest_after=_split_rest_after,
    until_close=_split_until_close,
    is_any=_array_is_any,
    has_any=_array_has_any,
    within_any=_array_within_any,
    encode_list=list,
    gather=_gather_bytes,
    gathered=_gathered_bytes,
)
