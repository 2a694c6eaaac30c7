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

CLOSE: Final = "\x1e"


Expression = ColumnElement[Any]
_decode_integers = msgspec.json.Decoder(list[int]).decode
# Binds a value and returns its parameter; a list travels as one parameter.
Bind = Callable[[Any, TypeEngine[Any]], BindParameter[Any]]

ZERO: Final[Expression] = literal_column("0")
ONE: Final[Expression] = literal_column("1")
# A double's denominator is 2 to the power of 1,074 at most, an integer of SQLite 2 to the power of 62.
_MAX_POWER: Final = 62
_MAX_EXCESS_POWER: Final = 1_074 - _MAX_POWER


@dataclass(frozen=True, slots=True)
class Sql:
    """A compiled statement: its text, the names of its parameters by position, and its constants."""

    text: str
    parameter_names: tuple[str, ...]
    constants: Mapping[str, Any]

    def positional_values(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values by position; a missing one raises KeyError."""
        constants = self.constants
        return [values[name] if name in values else constants[name] for name in self.parameter_names]


@dataclass(frozen=True, slots=True)
class Backend:
    """What a database says in its own words; each function builds an expression."""

    name: str
    dialect: Dialect
    position: Callable[[Expression, Expression], Expression]
    """Where a part stands in a text, from 1; 0 where it does not."""
    suffix: Callable[[Expression, Expression], Expression]
    """The last n characters of a text."""
    after_mark: Callable[[Expression, Expression, Expression], Expression]
    """What follows a mark in a token document that has it (mark, length of the mark)."""
    up_to_mark: Callable[[Expression], Expression]
    """The beginning of such a rest, up to CLOSE: the value of the token."""
    one_of: Callable[[Expression, Sequence[Any], TypeEngine[Any], Bind], Expression]
    """True when the expression equals one of the values."""
    contains_any: Callable[[Expression, Sequence[str], Bind], Expression]
    """True when the text contains one of the parts."""
    in_any_span: Callable[[Expression, Sequence[tuple[int, int]], Bind], Expression]
    """True when the number lies in one of the spans (begin included, end excluded)."""
    encode_list: Callable[[Sequence[Any]], Any]
    """How a list travels as one parameter."""
    select_keys: Callable[[Select[Any], Expression], Select[Any]]
    """Makes a select of keys one that returns them as cheaply as it can, in any order."""
    decode_keys: Callable[[Sequence[Sequence[Any]]], BitMap]
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


def _instr_position(haystack: Expression, needle: Expression) -> Expression:
    return func.instr(haystack, needle)


def _substr_suffix(text: Expression, length: Expression) -> Expression:
    return func.substr(text, -length)


def _instr_after_mark(document: Expression, mark: Expression, length: Expression) -> Expression:
    return func.substr(document, func.instr(document, mark) + length)


def _instr_up_to_mark(rest: Expression) -> Expression:
    return func.substr(rest, ONE, func.instr(rest, literal_column(f"char({ord(CLOSE)})")) - ONE)


def _json_each(parameter: Expression) -> Any:
    return func.json_each(parameter).table_valued("value", name="each")


def _json_one_of(
    expression: Expression, values: Sequence[Any], kind: TypeEngine[Any], bind: Bind
) -> Expression:
    if isinstance(kind, Float):
        whole = [int(value) for value in values if value == int(value)]
        found = [expression.in_(part) for part in _select_json_fractions(values, bind)]
        return or_(_json_one_of(expression, whole, BigInteger(), bind), *found)
    each = _json_each(bind(values, Text()))
    return expression.in_(select(each.c.value))


def _select_json_fractions(values: Sequence[float], bind: Bind) -> Iterator[Select[Any]]:
    """Yield selects of the doubles with a fraction.

    SQLite's reading of a decimal may be off by the last bit. So a double travels as two integers, its
    numerator and a power of two; what the power lacks of the denominator is bound as a double of its own.
    """
    scaled: dict[int, list[tuple[int, int]]] = {0: []}
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        power = denominator.bit_length() - 1
        beyond = min(-(-max(power - _MAX_POWER, 0) // _MAX_POWER) * _MAX_POWER, _MAX_EXCESS_POWER)
        if power:
            scaled.setdefault(beyond, []).append((numerator, 1 << power - beyond))
    for beyond, ratios in scaled.items():
        each = _json_each(bind(ratios, Text()))
        numerator_read = cast_to(func.json_extract(each.c.value, literal_column("'$[0]'")), Float(53))
        denominator_read = func.json_extract(each.c.value, literal_column("'$[1]'"))
        yield select(numerator_read.op("/")(denominator_read).op("/")(bind(2.0**beyond, Float(53))))


def _json_contains_any(text: Expression, parts: Sequence[str], bind: Bind) -> Expression:
    each = _json_each(bind(parts, Text()))
    return exists(select(ONE).select_from(each).where(func.instr(text, each.c.value) > ZERO))


def _json_in_any_span(number: Expression, spans: Sequence[tuple[int, int]], bind: Bind) -> Expression:
    each = _json_each(bind(spans, Text()))
    begin = func.json_extract(each.c.value, literal_column("'$[0]'"))
    end = func.json_extract(each.c.value, literal_column("'$[1]'"))
    return exists(select(ONE).select_from(each).where(and_(number >= begin, number < end)))


def _encode_json_list(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _strpos_position(haystack: Expression, needle: Expression) -> Expression:
    return func.strpos(haystack, needle)


def _right_suffix(text: Expression, length: Expression) -> Expression:
    return func.right(text, length)


def _split_part_after_mark(document: Expression, mark: Expression, length: Expression) -> Expression:
    del length
    return func.split_part(document, mark, literal_column("2"))


def _split_part_up_to_mark(rest: Expression) -> Expression:
    return func.split_part(rest, literal_column(f"chr({ord(CLOSE)})"), ONE)


def _array_one_of(
    expression: Expression, values: Sequence[Any], kind: TypeEngine[Any], bind: Bind
) -> Expression:
    return expression == any_(bind(values, ARRAY(kind)))


def _array_contains_any(text: Expression, parts: Sequence[str], bind: Bind) -> Expression:
    part = func.unnest(bind(parts, ARRAY(Text()))).table_valued("part", name="part")
    return exists(select(ONE).select_from(part).where(func.strpos(text, part.c.part) > ZERO))


def _array_in_any_span(number: Expression, spans: Sequence[tuple[int, int]], bind: Bind) -> Expression:
    begins = bind([begin for begin, _ in spans], ARRAY(BigInteger()))
    ends = bind([end for _, end in spans], ARRAY(BigInteger()))
    span = func.unnest(begins, ends).table_valued("begin", "end", name="span").render_derived()
    return exists(select(ONE).select_from(span).where(and_(number >= span.c.begin, number < span.c["end"])))


# A row for each key costs the driver more than the scan.
def _select_keys_as_json(keys: Select[Any], key: Expression) -> Select[Any]:
    return keys.with_only_columns(func.json_group_array(key))


def _decode_json_keys(rows: Sequence[Sequence[Any]]) -> BitMap:
    return BitMap(_decode_integers(rows[0][0]))


def _select_keys_as_bytes(keys: Select[Any], key: Expression) -> Select[Any]:
    packed = func.int4send(cast_to(key, Integer))
    return keys.with_only_columns(func.string_agg(packed, literal_column("''::bytea"))).group_by(
        key.op(">>")(literal_column("16"))
    )


def _decode_byte_keys(rows: Sequence[Sequence[Any]]) -> BitMap:
    keys = array("I")
    for row in rows:
        keys.frombytes(row[0])
    if sys.byteorder == "little":
        keys.byteswap()
    return BitMap(keys)


SQLITE: Final = Backend(
    name="sqlite",
    dialect=_SQLiteDialect(paramstyle="qmark"),
    position=_instr_position,
    suffix=_substr_suffix,
    after_mark=_instr_after_mark,
    up_to_mark=_instr_up_to_mark,
    one_of=_json_one_of,
    contains_any=_json_contains_any,
    in_any_span=_json_in_any_span,
    encode_list=_encode_json_list,
    select_keys=_select_keys_as_json,
    decode_keys=_decode_json_keys,
)
POSTGRESQL: Final = Backend(
    name="postgresql",
    dialect=PGDialect_asyncpg(),  # type: ignore[no-untyped-call]
    position=_strpos_position,
    suffix=_right_suffix,
    after_mark=_split_part_after_mark,
    up_to_mark=_split_part_up_to_mark,
    one_of=_array_one_of,
    contains_any=_array_contains_any,
    in_any_span=_array_in_any_span,
    encode_list=list,
    select_keys=_select_keys_as_bytes,
    decode_keys=_decode_byte_keys,
)
