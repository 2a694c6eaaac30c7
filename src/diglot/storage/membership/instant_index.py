"""The instants that conditions with days look at, in the order of time, so that nobody else is asked."""

from collections.abc import AsyncIterator, Iterable
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete, func, insert, select, tuple_
from sqlalchemy import cast as cast_to

from diglot.conditions.fields import STORED_FIELDS, FieldKind, attribute_key
from diglot.conditions.relative_dates import NEVER, RelativeDate, flip_at, next_midnight, windows_crossed
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.predicates.attributes import compile_attribute_instant
from diglot.storage.predicates.binder import Binder
from diglot.storage.predicates.token_documents import decode_integer
from diglot.storage.schema import contacts, field_instants, indexed_fields
from diglot.storage.sql import bulk
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import ShapedStatement, Statement

# A slice of contacts that crossed an edge is no longer than this; a longer one is not worth walking.
_ROWS_PER_SLICE: Final = 5_000
_c, _m, _w = contacts.c, field_instants.c, indexed_fields.c
_IN_WORKSPACE = _m.workspace == bindparam("workspace")
_OF_FIELD = _m.field == bindparam("field")
_FIRST_INSTANT = Statement(
    select(func.min(_m.instant)).where(_IN_WORKSPACE, _OF_FIELD, _m.instant >= bindparam("since"))
)
_KEYS_IN_SPAN = Statement(
    select(_m.pk)
    .where(_IN_WORKSPACE, _OF_FIELD, _m.instant >= bindparam("since"), _m.instant < bindparam("until"))
    .limit(bindparam("limit"))
)
_INSERT = bulk.build_insert(field_instants)
_DELETE = bulk.build_delete(field_instants, ("workspace", "field", "instant", "pk"))
_DELETE_INSTANTS = Statement(delete(field_instants).where(_IN_WORKSPACE, _OF_FIELD))
_ROW_AT_OFFSET = Statement(
    select(_m.instant, _m.pk)
    .where(_IN_WORKSPACE, _OF_FIELD)
    .order_by(_m.instant, _m.pk)
    .limit(1)
    .offset(bindparam("offset"))
)
_DELETE_INSTANTS_BEFORE = Statement(
    delete(field_instants).where(
        _IN_WORKSPACE,
        _OF_FIELD,
        tuple_(_m.instant, _m.pk) < tuple_(bindparam("until"), bindparam("until_pk")),
    )
)
_INDEXED_FIELDS = Statement(select(_w.field).where(_w.workspace == bindparam("workspace")))
_INSERT_FIELD = Statement(insert(indexed_fields))
_DELETE_FIELD = Statement(
    delete(indexed_fields).where(_w.workspace == bindparam("workspace"), _w.field == bindparam("field"))
)
_NEXT_FIELD = Statement(select(func.min(_m.field)).where(_IN_WORKSPACE, _m.field > bindparam("after")))


def _fill_statement(name: str) -> Statement:
    ours = cast_to(bindparam("field"), _m.field.type)
    found = pin_to_index(select(_c.workspace, ours, _c[name], _c.pk)).where(
        _c.workspace == bindparam("workspace"), _c[name].is_not(None)
    )
    return Statement(insert(field_instants).from_select(["workspace", "field", "instant", "pk"], found))


CORE_FIELDS: Final = tuple(field.name for field in STORED_FIELDS if field.kind is FieldKind.INSTANT)
_FILLS: Final = {name: _fill_statement(name) for name in CORE_FIELDS}


async def load_indexed_fields(transaction: Transaction, workspace: int) -> frozenset[str]:
    """Return the fields whose instants are kept."""
    return frozenset(row[0] for row in await transaction.fetch_all(_INDEXED_FIELDS, {"workspace": workspace}))


async def build_index(transaction: Transaction, workspace: int, field: str, zone: ZoneInfo) -> None:
    """Keep the instants of a field from now on; those of an attribute depend on the time zone."""
    values = {"workspace": workspace, "field": field}
    # What is left of an earlier watch is not to be believed.
    await transaction.execute(_DELETE_INSTANTS, values)
    if field in _FILLS:
        await transaction.execute(_FILLS[field], values)
    else:
        await _fill_attribute(transaction, workspace, field, zone)
    await transaction.execute(_INSERT_FIELD, values)


async def _fill_attribute(transaction: Transaction, workspace: int, field: str, zone: ZoneInfo) -> None:
    async for found in iterate_attribute_instants(transaction, workspace, field, zone):
        await add(transaction, workspace, field, found)


async def iterate_attribute_instants(
    transaction: Transaction, workspace: int, field: str, zone: ZoneInfo
) -> AsyncIterator[list[tuple[int, int]]]:
    """Yield the instants that contacts hold in a custom attribute, by parts: each a key and an instant."""
    key = attribute_key(field)
    assert key is not None
    binder = Binder(transaction.backend, 0, zone)
    present, digits = compile_attribute_instant(key, binder)
    page = (
        pin_to_index(select(_c.pk, digits))
        .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"), present)
        .order_by(_c.pk)
        .limit(bindparam("limit"))
    )
    statement = ShapedStatement(transaction.backend.compile(page), binder.values)
    after = 0
    while True:
        values = binder.values | {"workspace": workspace, "after": after, "limit": _ROWS_PER_SLICE}
        rows = await transaction.fetch_all(statement, values)
        yield [(pk, decode_integer(text)) for pk, text in rows]
        if len(rows) < _ROWS_PER_SLICE:
            return
        after = rows[-1][0]


async def drop_index(transaction: Transaction, workspace: int, field: str) -> None:
    """Keep the instants of a field no longer; `purge` removes them."""
    await transaction.execute(_DELETE_FIELD, {"workspace": workspace, "field": field})


async def purge_dropped(transaction: Transaction, workspace: int) -> bool:
    """Remove some instants of a field that is no longer watched; return whether there may be more.

    The workspace is locked.
    """
    field = await find_dropped_field(transaction, workspace)
    if field is None:
        return False
    values = {"workspace": workspace, "field": field}
    rest = await transaction.fetch_one(_ROW_AT_OFFSET, values | {"offset": _ROWS_PER_SLICE})
    if rest is None:
        await transaction.execute(_DELETE_INSTANTS, values)
    else:
        await transaction.execute(_DELETE_INSTANTS_BEFORE, values | {"until": rest[0], "until_pk": rest[1]})
    return True


async def find_dropped_field(transaction: Transaction, workspace: int) -> str | None:
    """Return a field of which instants are left although it is no longer watched, if there is one."""
    keep = await load_indexed_fields(transaction, workspace)
    field: str | None = ""
    while field is not None:
        row = await transaction.fetch_one(_NEXT_FIELD, {"workspace": workspace, "after": field})
        field = None if row is None else row[0]
        if field is not None and field not in keep:
            break
    return field


async def add(
    transaction: Transaction, workspace: int, field: str, instants: Iterable[tuple[int, int]]
) -> None:
    """Add instants of contacts, each a key and its instant."""
    values = [
        {"workspace": workspace, "field": field, "pk": pk, "instant": instant} for pk, instant in instants
    ]
    await _INSERT.execute(transaction, values)


async def remove(
    transaction: Transaction, workspace: int, field: str, instants: Iterable[tuple[int, int]]
) -> None:
    """Remove instants of contacts."""
    values = [
        {"workspace": workspace, "field": field, "pk": pk, "instant": instant} for pk, instant in instants
    ]
    await _DELETE.execute(transaction, values)


async def contacts_crossing(  # noqa: PLR0913, PLR0917 - whose, which edge, and when
    transaction: Transaction,
    workspace: int,
    edge: RelativeDate,
    since: int,
    until: int,
    zone: ZoneInfo,
    most: int,
) -> set[int]:
    """Return the keys of the contacts that an edge may see otherwise at `until` than at `since`.

    At most about `most` of each span are returned.
    """
    found: set[int] = set()
    for begin, end in windows_crossed(edge, since, until, zone):
        values = {"workspace": workspace, "field": edge.field, "since": begin, "until": end, "limit": most}
        found.update(row[0] for row in await transaction.fetch_all(_KEYS_IN_SPAN, values))
    return found


async def find_next_flip(
    transaction: Transaction, workspace: int, edge: RelativeDate, at: int, zone: ZoneInfo
) -> int:
    """Return an instant after `at` before which nobody crosses an edge, or NEVER."""
    if edge.offsets is None:
        return next_midnight(at, zone)
    found = NEVER
    for offset in edge.offsets:
        first = await _find_first_instant(transaction, workspace, edge.field, at + offset)
        found = min(found, flip_at(first, offset))
    return found


async def _find_first_instant(transaction: Transaction, workspace: int, field: str, since: int) -> int:
    row = await transaction.fetch_one(
        _FIRST_INSTANT, {"workspace": workspace, "field": field, "since": since}
    )
    return NEVER if row is None or row[0] is None else int(row[0])
