"""The instants that conditions with days look at, in the order of time, so that nobody else is asked."""

from collections.abc import AsyncIterator, Iterable
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete, func, insert, select, tuple_
from sqlalchemy import cast as cast_to

from diglot.conditions.fields import attribute_key
from diglot.conditions.relative_dates import NEVER, Edge, crossed, next_midnight
from diglot.conditions.tree import Op
from diglot.storage.contacts.scans import pinned
from diglot.storage.predicates.attributes import instant_of
from diglot.storage.predicates.binder import Binder
from diglot.storage.predicates.token_documents import integer_of
from diglot.storage.schema import contacts, moments, watched_fields
from diglot.storage.sql import bulk
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import ShapedStatement, Statement

# A slice of contacts that crossed an edge is no longer than this; a longer one is not worth walking.
_PART: Final = 5_000
_c, _m, _w = contacts.c, moments.c, watched_fields.c
_HERE = _m.workspace == bindparam("workspace")
_FIELD = _m.field == bindparam("field")
_FIRST = Statement(select(func.min(_m.instant)).where(_HERE, _FIELD, _m.instant >= bindparam("since")))
_CROSSED = Statement(
    select(_m.pk)
    .where(_HERE, _FIELD, _m.instant >= bindparam("since"), _m.instant < bindparam("until"))
    .limit(bindparam("limit"))
)
_INSERT = bulk.inserting(moments)
_DELETE = bulk.deleting(moments, ("workspace", "field", "instant", "pk"))
_CLEAR = Statement(delete(moments).where(_HERE, _FIELD))
_REST = Statement(
    select(_m.instant, _m.pk)
    .where(_HERE, _FIELD)
    .order_by(_m.instant, _m.pk)
    .limit(1)
    .offset(bindparam("offset"))
)
_CLEAR_BEFORE = Statement(
    delete(moments).where(
        _HERE, _FIELD, tuple_(_m.instant, _m.pk) < tuple_(bindparam("until"), bindparam("until_pk"))
    )
)
_WATCHED = Statement(select(_w.field).where(_w.workspace == bindparam("workspace")))
_WATCH = Statement(insert(watched_fields))
_UNWATCH = Statement(
    delete(watched_fields).where(_w.workspace == bindparam("workspace"), _w.field == bindparam("field"))
)
_FIELDS_HELD = Statement(select(func.min(_m.field)).where(_HERE, _m.field > bindparam("after")))


def _fill(name: str) -> Statement:
    ours = cast_to(bindparam("field"), _m.field.type)
    found = pinned(select(_c.workspace, ours, _c[name], _c.pk)).where(
        _c.workspace == bindparam("workspace"), _c[name].is_not(None)
    )
    return Statement(insert(moments).from_select(["workspace", "field", "instant", "pk"], found))


CORE: Final = ("created_at", "updated_at", "last_opened_at", "last_clicked_at", "last_emailed_at")
_FILLS: Final = {name: _fill(name) for name in CORE}


async def watched(transaction: Transaction, workspace: int) -> frozenset[str]:
    """Return the fields whose instants are kept."""
    return frozenset(row[0] for row in await transaction.rows(_WATCHED, {"workspace": workspace}))


async def watch(transaction: Transaction, workspace: int, field: str, zone: ZoneInfo) -> None:
    """Keep the instants of a field from now on; those of an attribute depend on the time zone."""
    values = {"workspace": workspace, "field": field}
    # What is left of an earlier watch is not to be believed.
    await transaction.run(_CLEAR, values)
    if field in _FILLS:
        await transaction.run(_FILLS[field], values)
    else:
        await _fill_attribute(transaction, workspace, field, zone)
    await transaction.run(_WATCH, values)


async def _fill_attribute(transaction: Transaction, workspace: int, field: str, zone: ZoneInfo) -> None:
    async for found in attribute_instants(transaction, workspace, field, zone):
        await add(transaction, workspace, field, found)


async def attribute_instants(
    transaction: Transaction, workspace: int, field: str, zone: ZoneInfo
) -> AsyncIterator[list[tuple[int, int]]]:
    """Yield the instants that contacts hold in a custom attribute, by parts: each a key and an instant."""
    key = attribute_key(field)
    assert key is not None
    binder = Binder(transaction.backend, 0, zone)
    present, digits = instant_of(key, binder)
    page = (
        pinned(select(_c.pk, digits))
        .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"), present)
        .order_by(_c.pk)
        .limit(bindparam("limit"))
    )
    statement = ShapedStatement(transaction.backend.compile(page), binder.values)
    after = 0
    while True:
        values = binder.values | {"workspace": workspace, "after": after, "limit": _PART}
        rows = await transaction.rows(statement, values)
        yield [(pk, integer_of(text)) for pk, text in rows]
        if len(rows) < _PART:
            return
        after = rows[-1][0]


async def unwatch(transaction: Transaction, workspace: int, field: str) -> None:
    """Keep the instants of a field no longer; `purge` removes them."""
    await transaction.run(_UNWATCH, {"workspace": workspace, "field": field})


async def purge(transaction: Transaction, workspace: int) -> bool:
    """Remove some instants of a field that is no longer watched; return whether there may be more.

    The workspace is locked.
    """
    field = await unwatched(transaction, workspace)
    if field is None:
        return False
    values = {"workspace": workspace, "field": field}
    rest = await transaction.row(_REST, values | {"offset": _PART})
    if rest is None:
        await transaction.run(_CLEAR, values)
    else:
        await transaction.run(_CLEAR_BEFORE, values | {"until": rest[0], "until_pk": rest[1]})
    return True


async def unwatched(transaction: Transaction, workspace: int) -> str | None:
    """Return a field of which instants are left although it is no longer watched, if there is one."""
    keep = await watched(transaction, workspace)
    field: str | None = ""
    while field is not None:
        row = await transaction.row(_FIELDS_HELD, {"workspace": workspace, "after": field})
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
    await _INSERT.run(transaction, values)


async def remove(
    transaction: Transaction, workspace: int, field: str, instants: Iterable[tuple[int, int]]
) -> None:
    """Remove instants of contacts."""
    values = [
        {"workspace": workspace, "field": field, "pk": pk, "instant": instant} for pk, instant in instants
    ]
    await _DELETE.run(transaction, values)


async def crossing(  # noqa: PLR0913, PLR0917 - whose, which edge, and when
    transaction: Transaction, workspace: int, edge: Edge, since: int, until: int, zone: ZoneInfo, most: int
) -> set[int]:
    """Return the keys of the contacts that an edge may see otherwise at `until` than at `since`.

    At most about `most` of each span are returned.
    """
    found: set[int] = set()
    for begin, end in crossed(edge, since, until, zone):
        values = {"workspace": workspace, "field": edge.field, "since": begin, "until": end, "limit": most}
        found.update(row[0] for row in await transaction.rows(_CROSSED, values))
    return found


async def next_change(transaction: Transaction, workspace: int, edge: Edge, at: int, zone: ZoneInfo) -> int:
    """Return an instant after `at` before which nobody crosses an edge, or NEVER."""
    if edge.op is Op.EXACTLY_DAYS_AGO:
        return next_midnight(at, zone)
    leaves = await _first(transaction, workspace, edge.field, at - edge.span)
    found = min(NEVER, leaves + edge.span + 1)
    if edge.op is Op.IN_LAST_DAYS:
        found = min(found, await _first(transaction, workspace, edge.field, at + 1))
    return found


async def _first(transaction: Transaction, workspace: int, field: str, since: int) -> int:
    row = await transaction.row(_FIRST, {"workspace": workspace, "field": field, "since": since})
    return NEVER if row is None or row[0] is None else int(row[0])
