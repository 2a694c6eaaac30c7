"""Rows of events."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, literal_column, select

from diglot.model.events import ContactEvent, ConversionFilter, EventKind, RecordedEvent
from diglot.model.pages import Page, Window
from diglot.storage import bulk
from diglot.storage.bulk import BulkRows, BulkSelect
from diglot.storage.contacts import queries as people
from diglot.storage.contacts.rows import shown_email
from diglot.storage.predicates.kept_events import IS_KEPT
from diglot.storage.schema import contacts, events
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.databases import pin_to_index
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c = events.c
_COLUMNS: Final = (
    *(_c.event, _c.id, _c.kind, _c.name, _c.stream, _c.source_id, _c.campaign_id),
    *(_c.happened_at, _c.created_at, _c.body),
)
_IN_WORKSPACE: Final = _c.workspace == bindparam("workspace")
# A literal, not a bound value, because the planner must see that the partial index contains all rows.
_IS_CONVERSION: Final = _c.kind == literal_column(f"'{EventKind.CONVERSION.value}'")
_CONTACT_JOIN: Final = (contacts.c.workspace == bindparam("workspace")) & (contacts.c.pk == _c.pk)
# An event with the id and the address of its contact.
RECORDED_COLUMNS: Final = (*_COLUMNS, contacts.c.id, contacts.c.email, contacts.c.as_sent)


def join_contacts(statement: Select[Any]) -> Select[Any]:
    """Return a select of events with their contacts."""
    return statement.join(contacts, _CONTACT_JOIN)


def _select_by_source(source: BulkRows) -> Select[Any]:
    found = join_contacts(select(*RECORDED_COLUMNS))
    return found.where(_IN_WORKSPACE, _c.source_id == source.values["source_id"])


_INSERT: Final = bulk.build_insert(events)
_BY_SOURCE: Final = BulkSelect([_c.source_id], _select_by_source)
_LAST_CLICK = Statement(
    select(*_COLUMNS)
    .where(
        _IN_WORKSPACE,
        _c.pk == bindparam("pk"),
        _c.kind == bindparam("kind"),
        _c.happened_at.between(bindparam("since"), bindparam("until")),
    )
    .order_by(_c.happened_at.desc(), _c.event.desc())
    .limit(1)
)
# The conditions that conversions can be filtered by, named after their bound values.
_CONVERSION_FILTERS: Final[dict[str, Expression]] = {
    "pk": _c.pk == bindparam("pk"),
    "campaign_id": _c.campaign_id == bindparam("campaign_id"),
    "type": _c.name == bindparam("type"),
}


def _pin_conversions(statement: Select[Any], filters: Collection[str]) -> Select[Any]:
    """Pin a query of conversions to the narrowest index on SQLite, whose planner would scan all events."""
    contact = "events_of_contact" if "pk" in filters else "events_conversions"
    index = "events_by_campaign" if "campaign_id" in filters else contact
    conditions = (_CONVERSION_FILTERS[name] for name in filters)
    hinted = pin_to_index(statement, events, index)
    return hinted.where(_IN_WORKSPACE, IS_KEPT, _IS_CONVERSION, *conditions)


@cache
def _count_statement(filters: tuple[str, ...]) -> Statement:
    return Statement(_pin_conversions(select(func.count()).select_from(events), filters))


@cache
def _page_statement(filters: tuple[str, ...]) -> Statement:
    return Statement(
        _pin_conversions(join_contacts(select(*RECORDED_COLUMNS)), filters)
        .order_by(_c.event.desc())
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


def _event_of(row: Sequence[Any]) -> ContactEvent:
    number, id_, kind, *columns = row
    return ContactEvent(number, id_, EventKind(kind), *columns)


def recorded_event_of(row: Sequence[Any]) -> RecordedEvent:
    """Return the event of a row selected with `RECORDED_COLUMNS`."""
    *columns, contact_id, email, as_sent = row
    return RecordedEvent(_event_of(columns), contact_id, shown_email(email, as_sent))


async def insert_events(tenant: Tenant, new: Sequence[tuple[int, ContactEvent]]) -> None:
    """Insert events, each given with the key of its contact."""
    rows = [
        {
            "event": event.number,
            "id": event.id,
            "pk": pk,
            "kind": event.kind.value,
            "name": event.name,
            "stream": event.stream,
            "source_id": event.source_id,
            "campaign_id": event.campaign_id,
            "happened_at": event.happened_at,
            "created_at": event.created_at,
            "body": event.body,
        }
        for pk, event in new
    ]
    await _INSERT.execute(tenant, rows)


async def find_by_sources(tenant: Tenant, source_ids: Collection[str]) -> dict[str, RecordedEvent]:
    """Return the events with some source ids, by those."""
    found = await _BY_SOURCE.fetch_each(tenant, [(one,) for one in source_ids])
    return {
        source_id: recorded_event_of(rows[0])
        for source_id, rows in zip(source_ids, found, strict=True)
        if rows
    }


async def find_last_click(tenant: Tenant, pk: int, since: int, until: int) -> ContactEvent | None:
    """Return the last click of a contact between two instants, or None."""
    row = await tenant.fetch_one(_LAST_CLICK, pk=pk, kind=EventKind.CLICK.value, since=since, until=until)
    return None if row is None else _event_of(row)


async def load_conversions(tenant: Tenant, filter_: ConversionFilter, window: Window) -> Page[RecordedEvent]:
    """Return a window of the conversions that match a filter, newest first."""
    filters: dict[str, Any] = {"campaign_id": filter_.campaign_id, "type": filter_.type}
    if filter_.contact_id is not None:
        contact = await people.find_contact_by_id(tenant, filter_.contact_id)
        if contact is None:
            return Page([], 0)
        filters["pk"] = contact.pk
    values = {name: value for name, value in filters.items() if value is not None}
    shape = tuple(values)
    total = await tenant.fetch_one(_count_statement(shape), **values)
    assert total is not None
    rows = await tenant.fetch_all(_page_statement(shape), **values, limit=window.limit, offset=window.offset)
    return Page([recorded_event_of(row) for row in rows], total[0])
