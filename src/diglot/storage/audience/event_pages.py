"""Pages of events, and single events, as clients read them back.

Events come newest first in the order in which they arrived, which is that of their numbers: a total order,
which an event that arrives late does not change. Of a name, two indexes are read together, because one has
the events that conditions count, and the other those that a machine caused. Without a name or a contact, a
page is the end of the table, and only the count reads all events.
"""

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from sqlalchemy import CompoundSelect, Select, bindparam, func, select, union_all

from diglot.model.events import EventFilter, RecordedEvent
from diglot.model.pages import Page, Window
from diglot.storage.audience.events import RECORDED_COLUMNS, join_contacts, recorded_event_of
from diglot.storage.contacts import queries as people
from diglot.storage.predicates.kept_events import IS_KEPT
from diglot.storage.schema import event_names, events
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.databases import pin_to_index
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c, _n = events.c, event_names.c
_IN_WORKSPACE: Final = _c.workspace == bindparam("workspace")
_NUMBER: Final = select(_n.number).where(_n.workspace == bindparam("workspace"), _n.name == bindparam("name"))
# The conditions that events can be filtered by besides their name, by the names of their bound values.
_FILTERS: Final[dict[str, Expression]] = {
    "pk": _c.pk == bindparam("pk"),
    "since": _c.happened_at >= bindparam("since"),
    "before": _c.happened_at < bindparam("before"),
}
_BY_ID = Statement(
    join_contacts(select(*RECORDED_COLUMNS)).where(_IN_WORKSPACE, IS_KEPT, _c.id == bindparam("id"))
)


def _select_numbers(filters: Collection[str]) -> Select[Any] | CompoundSelect[Any]:
    """Return the select of the numbers of the events that match filters."""
    conditions = [_FILTERS[name] for name in filters if name in _FILTERS]

    def select_from(index: str | None, *more: Expression) -> Select[Any]:
        found = select(_c.event)
        pinned = found if index is None else pin_to_index(found, events, index)
        return pinned.where(_IN_WORKSPACE, IS_KEPT, *more, *conditions)

    if "name" in filters:
        return union_all(
            select_from("events_of_stream", _c.stream == _NUMBER.scalar_subquery()),
            select_from("events_not_counted", _c.stream.is_(None), _c.name == bindparam("name")),
        )
    return select_from("events_of_contact" if "pk" in filters else None)


@cache
def _count_statement(filters: tuple[str, ...]) -> Statement:
    if "name" not in filters:
        # A narrow index, which has the times.
        found = pin_to_index(select(func.count()).select_from(events), events, "events_of_contact")
        return Statement(found.where(_IN_WORKSPACE, IS_KEPT, *(_FILTERS[name] for name in filters)))
    return Statement(select(func.count()).select_from(_select_numbers(filters).subquery("found")))


@cache
def _page_statement(filters: tuple[str, ...]) -> Statement:
    found = _select_numbers(filters).subquery("found")
    numbers = select(found.c.event).order_by(found.c.event.desc())
    shown = numbers.limit(bindparam("limit")).offset(bindparam("offset"))
    rows = join_contacts(select(*RECORDED_COLUMNS)).where(_IN_WORKSPACE, _c.event.in_(shown))
    return Statement(rows.order_by(_c.event.desc()))


async def find_event(tenant: Tenant, id_: str) -> RecordedEvent | None:
    """Return an event by its id, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else recorded_event_of(row)


async def load_events(tenant: Tenant, filter_: EventFilter, window: Window) -> Page[RecordedEvent]:
    """Return a window of the events that match a filter, newest first; an unknown contact has none."""
    values: dict[str, Any] = {"name": filter_.name, "since": filter_.since, "before": filter_.before}
    if filter_.contact_id is not None:
        contact = await people.find_contact_by_id(tenant, filter_.contact_id)
        if contact is None:
            return Page([], 0)
        values["pk"] = contact.pk
    values = {name: value for name, value in values.items() if value is not None}
    shape = tuple(sorted(values))
    total = await tenant.fetch_one(_count_statement(shape), **values)
    assert total is not None
    rows = await tenant.fetch_all(_page_statement(shape), **values, limit=window.limit, offset=window.offset)
    return Page([recorded_event_of(row) for row in rows], total[0])
