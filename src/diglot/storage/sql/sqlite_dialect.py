"""SQLite in one record: its SQL expressions, and how to open and migrate its file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from pyroaring import BitMap
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ClauseElement,
    Float,
    LargeBinary,
    MetaData,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.types import TypeEngine

from diglot.storage.sql import sqlite_file, sqlite_module
from diglot.storage.sql.backend import CLOSE, ONE, ZERO, Bind, Expression
from diglot.storage.sql.backups import sqlite_backup, sqlite_inspection, sqlite_restore
from diglot.storage.sql.database import Database, Embedded, Migrator
from diglot.storage.sql.engine import Engine, Limits

_decode_integers = msgspec.json.Decoder(list[int]).decode
# A double's denominator is at most 2 to the power of 1,074; an integer of SQLite holds 2 to the power of 62.
_MAX_POWER: Final = 62
# The version since which `->` spells a member of a JSON text.
_WITH_ARROW: Final = (3, 38)
_MAX_EXCESS_POWER: Final = 1_074 - _MAX_POWER


class _Compiler(SQLiteCompiler):
    """Renders `INDEXED BY`, which SQLAlchemy drops silently, and limits without a parameter of their own.

    New versions of SQLite plan a statement with the limit that is bound, so they prepare it anew whenever one
    is bound: the newest contact took 22 us, and takes 12.
    """

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002
        return text

    def limit_clause(self, select: Any, **options: Any) -> str:
        limit, offset = select._limit_clause, select._offset_clause  # noqa: SLF001
        text = "\n LIMIT " + ("-1" if limit is None else self._write(limit, options))
        return text if offset is None else f"{text} OFFSET {self._write(offset, options)}"

    def _write(self, number: ClauseElement, options: Mapping[str, Any]) -> str:
        # SQLAlchemy makes a unique parameter of a number in the code; one that a caller binds has a name.
        is_known = isinstance(number, BindParameter) and number.unique
        return str(cast(Any, number).value) if is_known else f"({self.process(number, **options)} + 0)"


class _SQLiteDialect(SQLiteDialect_pysqlite):
    statement_compiler = _Compiler
    # The key of SQLAlchemy's cache leaves out the limits that the compiler writes out.
    supports_statement_cache = False


def _substr_suffix(text: Expression, length: Expression) -> Expression:
    return func.substr(text, -length)


def _instr_after_mark(document: Expression, mark: Expression, length: Expression) -> Expression:
    return func.substr(document, func.instr(document, mark) + length)


def _instr_slice_after_mark(
    document: Expression, mark: Expression, length: Expression, first: int, count: int
) -> Expression:
    begin = func.instr(document, mark) + length
    if first > 1:
        begin += literal_column(str(first - 1))
    return func.substr(document, begin, literal_column(str(count)))


def _instr_up_to_mark(rest: Expression) -> Expression:
    return func.substr(rest, ONE, func.instr(rest, literal_column(f"char({ord(CLOSE)})")) - ONE)


def _json_each(array: Expression, name: str = "each") -> Any:
    return func.json_each(array).table_valued("value", name=name)


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
    """Yield selects of the doubles that have a fraction.

    SQLite's parsing of a decimal may be off by the last bit. So a double is sent as two integers, its
    numerator and a power of two; the rest of the denominator is bound as a separate double.
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


def _in_keys(expression: Expression, keys: Select[Any]) -> Expression:
    # SQLite finds the keys once, and may look up only them.
    return expression.in_(keys)


def _json_contains_any(text: Expression, parts: Sequence[str], bind: Bind) -> Expression:
    each = _json_each(bind(parts, Text()))
    return exists(select(ONE).select_from(each).where(func.instr(text, each.c.value) > ZERO))


def _json_any_part_one_of(text: Expression, separator: str, values: Sequence[str], bind: Bind) -> Expression:
    r"""Divide the text by changing its JSON string into an array: each separator becomes `","`.

    In a JSON string, a backslash before `u001e` is `\\u001e`, which contains the escape of U+001E. So each
    backslash is written as `\u005c` first: then every backslash begins an escape, and only separators match.
    """
    unambiguous = func.replace(func.json_quote(text), literal_column(r"'\\'"), literal_column(r"'\u005c'"))
    spelled = json.dumps(separator, ensure_ascii=False)[1:-1]
    quoted = func.replace(unambiguous, bind(spelled, Text()), literal_column("""'","'"""))
    part = _json_each(literal_column("'['").concat(quoted).concat(literal_column("']'")), "part")
    return exists(select(ONE).select_from(part).where(_json_one_of(part.c.value, values, Text(), bind)))


def _json_in_any_span(number: Expression, bounds: Sequence[int], bind: Bind) -> Expression:
    # A number in a span is past the begin of one span more than it is past ends.
    each = _json_each(bind(bounds, Text()))
    passed = select(func.count()).select_from(each).where(each.c.value <= number).scalar_subquery()
    return passed.op("%")(literal_column("2")) == ONE


# For each place of a bit in a byte, the bytes that have it.
_BYTES_WITH_BIT: Final = b"".join(
    bytes(byte for byte in range(256) if byte >> place & 1) for place in range(8)
)
_BYTE_TABLE: Final = bindparam("bytes_with_bit", _BYTES_WITH_BIT, type_=LargeBinary())


def _blob_has_bit(bits: Expression, count: Expression, number: Expression) -> Expression:
    """Search the byte that holds the bit among the bytes in which it is set: SQL has no access to bits."""
    byte = func.substr(bits, number.op(">>")(literal_column("3")) + ONE, ONE)
    begin = number.op("&")(literal_column("7")) * literal_column("128") + ONE
    is_set = func.instr(func.substr(_BYTE_TABLE, begin, literal_column("128")), byte) > ZERO
    # An empty part is found in everything.
    return and_(number < count, is_set)


def _has_equal_length(text: Expression) -> Expression:
    return func.length(text) == func.length(cast_to(text, LargeBinary()))


def _glob_character(text: Expression, characters: str) -> Expression:
    # GLOB compares each character with all of these.
    found = text.op("GLOB", is_comparison=True)(literal_column(f"'*[{characters}]*'"))
    return and_(not_(_has_equal_length(text)), found)


def _instr_twice(text: Expression, part: str, bind: Bind) -> Expression:
    bound = bind(part, Text())
    rest = func.substr(text, func.instr(text, bound) + bind(len(part), BigInteger()))
    return and_(func.instr(text, bound) > ZERO, func.instr(rest, bound) > ZERO)


def _write_json_path(names: Sequence[str]) -> str:
    return "$" + "".join(f'."{name}"' for name in names)


def _json_arrow(body: Expression, path: Expression) -> Expression:
    return body.op("->")(path)


def _json_pair(body: Expression, path: Expression) -> Expression:
    """Extract two members, of which the first is none, because two are spelled as JSON: `[null,12.50]`.

    All closing brackets at the end are cut off. SQLite has had an operator for it since 3.38.
    """
    both = func.json_extract(body, literal_column("'$[0]'"), path)
    return func.rtrim(func.substr(both, literal_column("7")), literal_column("']'"))


def _encode_json_list(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


# One row for each key would cost the driver more than the scan.
def _select_keys_as_json(keys: Select[Any], key: Expression) -> Select[Any]:
    return keys.with_only_columns(func.json_group_array(key))


def _decode_json_keys(rows: Sequence[Sequence[Any]]) -> BitMap:
    return BitMap(_decode_integers(rows[0][0]))


def _create_engine(url: str, ephemeral_tables: MetaData, limits: Limits) -> Engine:
    from diglot.storage.sql.sqlite import SQLite  # noqa: PLC0415 - a server's database needs no aiosqlite

    return SQLite(sqlite_file.parse_sqlite_path(url), SQLITE, ephemeral_tables, limits)


async def _read_revision(url: str) -> str | None:
    return sqlite_file.read_revision(sqlite_file.parse_sqlite_path(url))


async def _find_local_tables(url: str, tables: Sequence[str]) -> Sequence[str]:
    """Return no table, because none is distributed."""
    del url, tables
    return ()


def _load_migrator() -> Migrator:
    from diglot.storage.sql.sqlite_migration import MIGRATOR  # noqa: PLC0415 - most starts migrate nothing

    return MIGRATOR


def _library() -> str:
    return f"SQLite {sqlite_module.sqlite3.sqlite_version}"


def _list_refusals() -> tuple[type[Exception], ...]:
    # An integer of more than 64 bits is an OverflowError.
    module = sqlite_module.sqlite3
    return (module.IntegrityError, module.DataError, OverflowError)


SQLITE: Final = Database(
    name="sqlite",
    dialect=_SQLiteDialect(paramstyle="qmark"),
    position=func.instr,
    suffix=_substr_suffix,
    after_mark=_instr_after_mark,
    slice_after_mark=_instr_slice_after_mark,
    up_to_mark=_instr_up_to_mark,
    one_of=_json_one_of,
    is_among=_in_keys,
    contains_any=_json_contains_any,
    any_part_one_of=_json_any_part_one_of,
    in_any_span=_json_in_any_span,
    has_bit=_blob_has_bit,
    is_ascii=_has_equal_length,
    ascii_length=func.length,
    has_character=_glob_character,
    occurs_twice=_instr_twice,
    lower_ascii=func.lower,
    json_path=_write_json_path,
    json_path_type=Text(),
    json_part=_json_arrow if sqlite_module.sqlite3.sqlite_version_info >= _WITH_ARROW else _json_pair,
    encode_list=_encode_json_list,
    select_keys=_select_keys_as_json,
    decode_keys=_decode_json_keys,
    join_texts=func.group_concat,
    insert=insert,
    rows_from_arrays=None,
    list_refusals=_list_refusals,
    has_ephemeral_schema=False,
    create_engine=_create_engine,
    read_revision=_read_revision,
    find_local_tables=_find_local_tables,
    load_migrator=_load_migrator,
    embedded=Embedded(
        find_file=sqlite_file.parse_sqlite_path,
        library=_library,
        require_shareable=sqlite_module.require_mended,
        warn_beside_others=sqlite_module.warn_beside_others,
        measure_files=sqlite_file.measure_files,
        back_up=sqlite_backup.back_up,
        verify_file=sqlite_backup.verify_file,
        inspect_file=sqlite_inspection.inspect_file,
        vacuum=sqlite_inspection.vacuum,
        replace=sqlite_restore.replace_database,
    ),
)
