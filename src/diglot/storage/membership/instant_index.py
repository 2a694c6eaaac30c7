"""The instant index: for each indexed field, the instants that contacts hold, in order of time.

Only fields that segments compare with relative dates are indexed. A row is (field, instant, key), so the
contacts that cross a relative-date boundary between two ticks of the workspace clock are one range of the
index: a tick evaluates these contacts and no others. The same order gives the next instant at which a segment
can change. Instants of a custom attribute depend on the time zone.

For an anniversary, the index has a month-day (see `anniversaries`) in the place of each instant. Fields of
single events are called by hashes (see `history_index`).
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete, func, insert, select, tuple_
from sqlalchemy import cast as cast_to

from diglot.conditions.computed.anniversaries import month_day_of
from diglot.conditions.computed_fields import source_of
from diglot.conditions.events.fields import (
    EventField,
    is_event_field,
    is_history_field,
    parse_event_field,
)
from diglot.conditions.histories.fields import HistoryFields
from diglot.conditions.histories.past_events import Histories
from diglot.storage import bulk
from diglot.storage.contacts import event_histories
from diglot.storage.contacts.history_index import (
    holds_single_events,
    key_of,
    load_filling_fields,
    load_indexed_fields,
    mark_filling,
)
from diglot.storage.contacts.instants import CORE_FIELDS, InstantPages, iterate_instants
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.predicates.events import select_instants
from diglot.storage.schema import contacts, field_instants, indexed_fields, workspaces
from diglot.storage.slices import compute_in_slices
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

# The page size of index builds and of deletions.
_ROWS_PER_SLICE: Final = 5_000
# A field, the key of a contact, and the instant that it holds.
IndexedInstant = tuple[str, int, int]
_c, _m, _w = contacts.c, field_instants.c, indexed_fields.c
_IN_WORKSPACE = _m.workspace == bindparam("workspace")
_OF_FIELD = _m.field == bindparam("field")
_ORDER: Final = ("field", "instant", "pk")
_INSERT = bulk.build_insert(field_instants, order=_ORDER)
_DELETE = bulk.build_delete(field_instants, _ORDER)
_DELETE_INSTANTS = Statement(delete(field_instants).where(_IN_WORKSPACE, _OF_FIELD))
_IN_ORDER = select(_m.instant, _m.pk).where(_IN_WORKSPACE, _OF_FIELD).order_by(_m.instant, _m.pk)
_ROW_AT_OFFSET = Statement(_IN_ORDER.limit(1).offset(bindparam("offset")))
_IS_BEFORE = tuple_(_m.instant, _m.pk) < tuple_(bindparam("until"), bindparam("until_pk"))
_DELETE_INSTANTS_BEFORE = Statement(delete(field_instants).where(_IN_WORKSPACE, _OF_FIELD, _IS_BEFORE))
_INSERT_FIELD = Statement(insert(indexed_fields))
_DELETE_FIELD = Statement(
    delete(indexed_fields).where(_w.workspace == bindparam("workspace"), _w.field == bindparam("field"))
)
_NEXT_FIELD = Statement(select(func.min(_m.field)).where(_IN_WORKSPACE, _m.field > bindparam("after")))


def _fill_statement(name: str) -> Statement:
    field_name = cast_to(bindparam("field"), _m.field.type)
    instants = pin_to_index(select(_c.workspace, field_name, _c[name], _c.pk)).where(
        _c.workspace == bindparam("workspace"), _c[name].is_not(None)
    )
    return Statement(insert(field_instants).from_select(["workspace", "field", "instant", "pk"], instants))


def _event_fill_statement(part: str) -> Statement:
    found = select_instants(EventField("", part)).subquery("found")
    field_name = cast_to(bindparam("field"), _m.field.type)
    # The row of the workspace says where the others belong; Citus would otherwise collect them first.
    workspace = workspaces.c.workspace
    rows = select(workspace, field_name, found.c.instant, found.c.pk).select_from(workspaces, found)
    instants = rows.where(workspace == bindparam("workspace"))
    return Statement(insert(field_instants).from_select(["workspace", "field", "instant", "pk"], instants))


_EVENT_FILLS: Final = {part: _event_fill_statement(part) for part in ("newest", "first_at", "last_at")}
_FILLS: Final = {name: _fill_statement(name) for name in CORE_FIELDS}


async def build_index(tenant: Tenant, field: str, zone: ZoneInfo) -> None:
    """Index a field: from now on, its instants are kept current by every write of contacts."""
    # A dropped index may have left outdated rows.
    await tenant.execute(_DELETE_INSTANTS, field=key_of(field))
    if field in _FILLS:
        await tenant.execute(_FILLS[field], field=field)
    elif is_event_field(field) and not is_history_field(field):
        parsed = parse_event_field(field)
        await tenant.execute(_EVENT_FILLS[parsed.part], field=field, name=parsed.name, place=parsed.place)
    else:
        async for page in iterate_values(tenant, field, zone):
            await add(tenant, [(field, pk, value) for pk, value in page])
    await tenant.execute(_INSERT_FIELD, field=key_of(field))


async def iterate_values(tenant: Tenant, field: str, zone: ZoneInfo) -> InstantPages:
    """Yield pages of what the index has of a field, each a key and an instant or a month-day."""
    if is_history_field(field):
        async for page in _iterate_history_values(tenant, field, zone):
            yield page
        return
    source = source_of(field)
    async for page in iterate_instants(tenant, source, zone):
        yield page if source == field else [(pk, month_day_of(instant, zone)) for pk, instant in page]


async def _iterate_history_values(tenant: Tenant, field: str, zone: ZoneInfo) -> InstantPages:
    fields = HistoryFields.of_field(field, zone)
    async for found in event_histories.iterate_all(tenant, fields.want()):
        histories = {pk: of_contact for pk, of_contact, _ in found}
        async for page in _read_instants(tenant, fields, field, histories):
            yield page


async def _read_instants(
    tenant: Tenant, fields: HistoryFields, field: str, histories: Mapping[int, Histories]
) -> InstantPages:
    def read(contacts: Sequence[tuple[int, Histories]]) -> list[tuple[int, int]]:
        values = ((pk, fields.read_values(of_contact).get(field, ())) for pk, of_contact in contacts)
        instants = ((pk, (value,) if isinstance(value, int) else value) for pk, value in values)
        return [(pk, instant) for pk, some in instants for instant in some]

    async for page in compute_in_slices(tenant, sorted(histories.items(), key=itemgetter(0)), read):
        yield page


async def fill_part(  # noqa: PLR0913, PLR0917 - a field in a zone, and where the part begins
    tenant: Tenant, field: str, zone: ZoneInfo, first: int, last: int, count: int
) -> int:
    """Add what the index has of a field of events for the contacts from a key on, about `count` events.

    Return the first key of the next part; it is after `last`, the newest key, if there is none. Instants that
    writes have added meanwhile stay.
    """
    fields = HistoryFields.of_field(field, zone)
    end = await event_histories.find_end(tenant, parse_event_field(field).name, first, count)
    until = last if end is None else max(end - 1, first)
    histories = await event_histories.load_span(tenant, fields.want(), first, until)
    async for page in _read_instants(tenant, fields, field, histories):
        instants = [(field, pk, value) for pk, value in page]
        await remove(tenant, instants)
        await add(tenant, instants)
    return until + 1


async def clear_part(tenant: Tenant, field: str) -> bool:
    """Delete the first rows of a field that is not indexed; return whether there may be more."""
    first_kept = await tenant.fetch_one(_ROW_AT_OFFSET, field=key_of(field), offset=_ROWS_PER_SLICE)
    if first_kept is None:
        await tenant.execute(_DELETE_INSTANTS, field=key_of(field))
        return False
    instant, pk = first_kept
    await tenant.execute(_DELETE_INSTANTS_BEFORE, field=key_of(field), until=instant, until_pk=pk)
    return True


async def begin_filling(tenant: Tenant, field: str) -> None:
    """Note that a field is being filled in parts, until it is filled or dropped."""
    if key_of(field) not in await load_filling_fields(tenant):
        await tenant.execute(_INSERT_FIELD, field=mark_filling(field, 0))


async def find_next_part(tenant: Tenant, field: str) -> int | None:
    """Return the contact with which the next part begins, 0 to clear the field; None if nobody fills it."""
    return (await load_filling_fields(tenant)).get(key_of(field))


async def set_next_part(tenant: Tenant, field: str, first: int) -> None:
    """Note with which contact the next part of a field begins."""
    await drop_filling(tenant, field)
    await tenant.execute(_INSERT_FIELD, field=mark_filling(field, first))


async def end_filling(tenant: Tenant, field: str) -> None:
    """Note that the parts of a field are filled, so that it is indexed from now on."""
    await drop_filling(tenant, field)
    if key_of(field) not in await load_indexed_fields(tenant):
        await tenant.execute(_INSERT_FIELD, field=key_of(field))


async def drop_filling(tenant: Tenant, field: str) -> None:
    """Stop filling a field, also given as `key_of` calls it."""
    first = await find_next_part(tenant, field)
    if first is not None:
        await tenant.execute(_DELETE_FIELD, field=mark_filling(field, first))


async def drop_index(tenant: Tenant, field: str) -> None:
    """Stop indexing a field, also given as `key_of` calls it; `purge_dropped` deletes its rows."""
    await tenant.execute(_DELETE_FIELD, field=key_of(field))


async def purge_dropped(tenant: Tenant) -> bool:
    """Delete some rows of a field that is no longer indexed; return whether there may be more.

    The caller holds the lock of the workspace.
    """
    field = await find_dropped_field(tenant)
    if field is None:
        return False
    await clear_part(tenant, field)
    return True


async def find_expired_field(tenant: Tenant, before: int) -> str | None:
    """Return an indexed field that holds instants of events before an instant, or None."""
    for field in sorted(filter(holds_single_events, await load_indexed_fields(tenant))):
        first = await tenant.fetch_one(_ROW_AT_OFFSET, field=field, offset=0)
        if first is not None and first[0] < before:
            return field
    return None


async def purge_expired(tenant: Tenant, field: str, before: int) -> None:
    """Delete some instants of a field before an instant; the caller holds the lock of the workspace."""
    row = await tenant.fetch_one(_ROW_AT_OFFSET, field=field, offset=_ROWS_PER_SLICE)
    until, until_pk = (before, 0) if row is None else min((before, 0), (row[0], row[1]))
    await tenant.execute(_DELETE_INSTANTS_BEFORE, field=field, until=until, until_pk=until_pk)


async def find_dropped_field(tenant: Tenant) -> str | None:
    """Return a field that is no longer indexed but still has rows, or None."""
    indexed = {*await load_indexed_fields(tenant), *await load_filling_fields(tenant)}
    field: str | None = ""
    while field is not None:
        row = await tenant.fetch_one(_NEXT_FIELD, after=field)
        field = None if row is None else row[0]
        if field is not None and field not in indexed:
            break
    return field


async def add(tenant: Tenant, instants: Iterable[IndexedInstant]) -> None:
    """Add instants of contacts."""
    await _INSERT.execute_ordered(tenant, [(key_of(field), instant, pk) for field, pk, instant in instants])


async def remove(tenant: Tenant, instants: Iterable[IndexedInstant]) -> None:
    """Remove instants of contacts."""
    await _DELETE.execute_ordered(tenant, [(key_of(field), instant, pk) for field, pk, instant in instants])
