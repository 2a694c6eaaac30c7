"""PostgreSQL in one record: its SQL expressions, and how to connect to it and migrate it."""

import re
import secrets
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pyroaring import BitMap
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    FromClause,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    collate,
    exists,
    false,
    func,
    literal_column,
    not_,
    select,
    true,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from diglot.storage.sql.backend import CLOSE, ONE, ZERO, Bind, Expression, ManyRows
from diglot.storage.sql.citus.nodes import WORKSPACE_NODES
from diglot.storage.sql.database import Database, Migrator
from diglot.storage.sql.engine import Engine, Limits

_SEPARATOR: Final = "sent_separator"
# Stands for null.
_NULL: Final = "sent_null"
# Text seldom has control characters.
_USUAL_MARKS: Final = (("\x01", "\x02"), ("\x03", "\x04"))


def _strpos_position(haystack: Expression, needle: Expression) -> Expression:
    return func.strpos(haystack, needle)


def _right_suffix(text: Expression, length: Expression) -> Expression:
    return func.right(text, length)


def _split_part_after_mark(document: Expression, mark: Expression, length: Expression) -> Expression:
    del length
    return func.split_part(document, mark, literal_column("2"))


def _split_part_slice_after_mark(
    document: Expression, mark: Expression, length: Expression, first: int, count: int
) -> Expression:
    rest = _split_part_after_mark(document, mark, length)
    return func.substr(rest, literal_column(str(first)), literal_column(str(count)))


def _split_part_up_to_mark(rest: Expression) -> Expression:
    return func.split_part(rest, literal_column(f"chr({ord(CLOSE)})"), ONE)


def _array_one_of(
    expression: Expression, values: Sequence[Any], kind: TypeEngine[Any], bind: Bind
) -> Expression:
    return expression == any_(bind(values, ARRAY(kind)))


def _array_contains_any(text: Expression, parts: Sequence[str], bind: Bind) -> Expression:
    part = func.unnest(bind(parts, ARRAY(Text()))).table_valued("part", name="part")
    return exists(select(ONE).select_from(part).where(func.strpos(text, part.c.part) > ZERO))


def _array_any_part_one_of(text: Expression, separator: str, values: Sequence[str], bind: Bind) -> Expression:
    parts = func.string_to_array(text, bind(separator, Text()))
    return parts.op("&&", is_comparison=True)(bind(values, ARRAY(Text())))


def _exists_key(expression: Expression, keys: Select[Any]) -> Expression:
    """Return whether a row has the key.

    With `IN`, PostgreSQL goes through all keys for each row of a negation or of an OR, unless it expects them
    to fit into the memory of a hash table: 260,000 keys do not by default. Of EXISTS it makes a join, a hash
    table or a look into an index.
    """
    found = keys.subquery("found")
    (key,) = found.c
    return exists(select(ONE).select_from(found).where(key == expression).correlate_except(found))


def _array_in_any_span(number: Expression, bounds: Sequence[int], bind: Bind) -> Expression:
    # width_bucket counts the bounds up to the number, by a binary search.
    passed = func.width_bucket(number, bind(bounds, ARRAY(BigInteger())))
    return passed.op("%")(literal_column("2")) == ONE


def _bytea_has_bit(bits: Expression, count: Expression, number: Expression) -> Expression:
    # A bit beyond the bytes is an error, and only CASE has an order of evaluation.
    return case((number < count, func.get_bit(cast_to(bits, LargeBinary()), number) == ONE), else_=false())


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


def _has_equal_length(text: Expression) -> Expression:
    return func.octet_length(text) == func.length(text)


def _match_character(text: Expression, characters: str) -> Expression:
    found = text.op("~", is_comparison=True)(literal_column(f"'[{characters}]'"))
    return and_(not_(_has_equal_length(text)), found)


def _like_twice(text: Expression, part: str, bind: Bind) -> Expression:
    # A fifth of the time that a search in a substring takes.
    escaped = re.sub(r"([\\%_])", r"\\\1", part)
    return text.like(bind(f"%{escaped}%{escaped}%", Text()))


def _lower_in_c(text: Expression) -> Expression:
    # In Turkish, the lower case of I is another letter.
    return func.lower(collate(text, "C"))


def _json_part(body: Expression, path: Expression) -> Expression:
    # Not JSONB, which refuses some numbers and spells others anew.
    return collate(cast_to(cast_to(body, JSON()).op("#>")(path), Text()), "C")


def _string_agg(text: Expression) -> Expression:
    return func.string_agg(text, literal_column("','"))


def _rows_from_arrays(columns: Sequence[Column[Any]]) -> FromClause:
    arrays = [bindparam(f"row_{one.name}", type_=ARRAY(one.type)) for one in columns]
    names = [one.name for one in columns]
    return func.unnest(*arrays).table_valued(*names, name="sent").render_derived()


def build_sent_table(columns: Sequence[Column[Any]]) -> FromClause:
    """Return a table of the rows that `encode_sent_columns` encodes.

    A column of text is sent as one text, which the server cuts again. The driver asks of each element of an
    array whether it is an array itself: for the sixteen texts of a row that takes 8 us, and joining them 1.4.
    The server takes as long for both.
    """
    marks = [bindparam(name, type_=Text()) for name in (_SEPARATOR, _NULL)]
    arrays = [
        func.string_to_array(bindparam(f"row_{one.name}", type_=Text()), *marks)
        if isinstance(one.type, Text)
        else bindparam(f"row_{one.name}", type_=ARRAY(one.type))
        for one in columns
    ]
    names = [one.name for one in columns]
    return func.unnest(*arrays).table_valued(*names, name="sent").render_derived()


def encode_sent_columns(columns: Mapping[Column[Any], Sequence[Any]]) -> dict[str, Any]:
    """Return the bound values of a table of at least two rows, given the values of each column."""
    arrays = {f"row_{one.name}": values for one, values in columns.items() if not isinstance(one.type, Text)}
    texts = {f"row_{one.name}": values for one, values in columns.items() if isinstance(one.type, Text)}
    joined = (_join(texts, *marks) for marks in _iterate_marks())
    return arrays | next(one for one in joined if one is not None)


def _join(texts: Mapping[str, Sequence[str | None]], separator: str, nothing: str) -> dict[str, str] | None:
    """Return the values of each column as one text, and the marks; None if a value contains a mark."""
    bound = {_SEPARATOR: separator, _NULL: nothing}
    for name, values in texts.items():
        if nothing in values:
            return None
        text = separator.join([nothing if each is None else each for each in values])
        if text.count(separator) != len(values) - 1:
            return None
        bound[name] = text
    return bound


def _iterate_marks() -> Iterator[tuple[str, str]]:
    yield from _USUAL_MARKS
    while True:
        yield secrets.token_hex(), secrets.token_hex()


def _set_planner(mode: str | None, seqscan: str | None) -> ClauseElement:
    """Return the statement that sets until the end of the transaction which plans are used; None resets."""
    given = {"plan_cache_mode": mode, "enable_seqscan": seqscan}
    texts = {name: "NULL" if value is None else f"'{value}'" for name, value in given.items()}
    return select(
        *(
            func.set_config(literal_column(f"'{name}'"), literal_column(text), true())
            for name, text in texts.items()
        )
    )


def _create_engine(url: str, ephemeral_tables: MetaData, limits: Limits) -> Engine:
    from diglot.storage.sql.postgresql import PostgreSQL  # noqa: PLC0415 - a SQLite file needs no asyncpg

    # The ephemeral tables are a schema of the database itself.
    del ephemeral_tables
    return PostgreSQL(url, POSTGRESQL, limits)


async def _read_revision(url: str) -> str | None:
    from diglot.storage.sql import postgresql_schema  # noqa: PLC0415 - a SQLite file needs no asyncpg

    return await postgresql_schema.read_revision(url)


async def _find_local_tables(url: str, tables: Sequence[str]) -> Sequence[str]:
    from diglot.storage.sql import postgresql_schema  # noqa: PLC0415 - a SQLite file needs no asyncpg

    return await postgresql_schema.find_local_tables(url, tables)


def _load_migrator() -> Migrator:
    from diglot.storage.sql.postgresql_migration import MIGRATOR  # noqa: PLC0415 - most starts migrate nothing

    return MIGRATOR


def _list_refusals() -> tuple[type[Exception], ...]:
    import asyncpg  # noqa: PLC0415 - a SQLite file needs no asyncpg

    return (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)


POSTGRESQL: Final = Database(
    name="postgresql",
    dialect=PGDialect_asyncpg(),  # type: ignore[no-untyped-call]
    position=_strpos_position,
    suffix=_right_suffix,
    after_mark=_split_part_after_mark,
    slice_after_mark=_split_part_slice_after_mark,
    up_to_mark=_split_part_up_to_mark,
    one_of=_array_one_of,
    is_among=_exists_key,
    contains_any=_array_contains_any,
    any_part_one_of=_array_any_part_one_of,
    in_any_span=_array_in_any_span,
    has_bit=_bytea_has_bit,
    is_ascii=_has_equal_length,
    # The length in characters has to be counted.
    ascii_length=func.octet_length,
    has_character=_match_character,
    occurs_twice=_like_twice,
    lower_ascii=_lower_in_c,
    json_path=list,
    json_path_type=ARRAY(Text()),
    json_part=_json_part,
    encode_list=list,
    select_keys=_select_keys_as_bytes,
    decode_keys=_decode_byte_keys,
    join_texts=_string_agg,
    insert=insert,
    rows_from_arrays=_rows_from_arrays,
    many_rows=ManyRows(build_sent_table, encode_sent_columns),
    plan_by_index=(_set_planner("force_generic_plan", "off"), _set_planner(None, None)),
    workspace_nodes=WORKSPACE_NODES,
    list_refusals=_list_refusals,
    has_ephemeral_schema=True,
    create_engine=_create_engine,
    read_revision=_read_revision,
    find_local_tables=_find_local_tables,
    load_migrator=_load_migrator,
    backup_command="pg_dump --format=custom --file=FILE URL",
    restore_command="pg_restore --clean --if-exists --dbname=URL FILE",
)
