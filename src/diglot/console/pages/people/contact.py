"""One contact: what is stored of it, its status, its segments and why, its events, its latest moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.types import ASGIApp

from diglot.api.formatting import whole_if_integral
from diglot.conditions.fields import STORED_FIELDS, FieldKind
from diglot.console.pages.people.contact_texts import say_value
from diglot.console.pages.people.contacts import read_search
from diglot.console.visit import Visit, read_page_number
from diglot.console.words import name_field
from diglot.model.contacts import Contact
from diglot.model.events import EventFilter, RecordedEvent, show_properties
from diglot.model.ids import parse_id
from diglot.model.pages import Window
from diglot.service.audience.analysis.contact_segments import Membership
from diglot.service.audience.analysis.recent_changes import RecentChange, RecentPage

SEGMENTS_PER_PAGE: Final = 25
SEGMENTS_FOUND: Final = 10
EVENTS_PER_PAGE: Final = 10
# A workspace may have more segments, and a contact more moves: then the page says that it does not know.
_SEGMENTS_THEN: Final = 200
_MOVES_SINCE: Final = 1_000
_MAX_DIGITS: Final = 18
_PROPERTIES_SHOWN: Final = 20
_ATTRIBUTES_SHOWN: Final = 200
# What the page shows in places of their own.
_ELSEWHERE: Final = frozenset({"email", "tags", "status"})
# The events by which the vendors' webhooks lower a status.
_EVENTS_OF_STATUS: Final = {
    "bounced": ("email.bounced",),
    "complained": ("email.complained",),
    "unsubscribed": ("email.unsubscribed", "contact.unsubscribed"),
}
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event with its properties as text; `more` is the number of those that are left out."""

    recorded: RecordedEvent
    properties: Sequence[tuple[str, str]]
    more: int


async def show(visit: Visit) -> ASGIApp:
    """Show one contact; its segments, events and moves arrive after the page."""
    id_ = parse_id(visit.parameters["id"])
    contact, lists = await visit.services.contacts.get_with_lists(visit.caller, id_)
    attributes = list(_decode(contact.attributes).items())
    return visit.show(
        "people/contact.html",
        contact=contact,
        name=" ".join(filter(None, (contact.first_name, contact.last_name))),
        tags=_decode(contact.tags),
        lists=lists,
        fields=_list_fields(contact),
        attributes=[(key, say_value(value)) for key, value in attributes[:_ATTRIBUTES_SHOWN]],
        more_attributes=max(len(attributes) - _ATTRIBUTES_SHOWN, 0),
        status_event=await _find_status_event(visit, contact),
        saved=visit.query.get("saved") == "yes",
    )


async def _find_status_event(visit: Visit, contact: Contact) -> RecordedEvent | None:
    """Return the newest event that may have led to the status of a contact, if there is one."""
    newest: RecordedEvent | None = None
    for name in _EVENTS_OF_STATUS.get(contact.status, ()):
        page = await visit.services.events.list_page(
            visit.caller, EventFilter(contact.id, name), Window(0, 1)
        )
        for found in page.items:
            if newest is None or found.event.happened_at > newest.event.happened_at:
                newest = found
    return newest


def _list_fields(contact: Contact) -> Sequence[tuple[str, Any, bool]]:
    """Return the fields that have a value: the name, the value, and whether that is an instant."""
    rows = [(field, getattr(contact, field.name)) for field in STORED_FIELDS if field.name not in _ELSEWHERE]
    return [
        (name_field(field.name), _round(value), field.kind is FieldKind.INSTANT)
        for field, value in rows
        if value is not None
    ]


def _round(value: Any) -> Any:
    return whole_if_integral(value) if isinstance(value, float) else value


async def show_segments(visit: Visit) -> ASGIApp:
    """Show the segments that a contact is in, since when and why."""
    number = read_page_number(visit.query)
    window = Window((number - 1) * SEGMENTS_PER_PAGE, SEGMENTS_PER_PAGE)
    id_ = parse_id(visit.parameters["id"])
    found = await visit.services.contact_segments.list_page(visit.caller, id_, window)
    return visit.show(
        "people/memberships.html",
        id=id_,
        memberships=found.items,
        total=found.total,
        number=number,
        pages=max(1, -(-found.total // SEGMENTS_PER_PAGE)),
    )


async def show_segments_then(visit: Visit) -> ASGIApp:
    """Show the segments that a contact was in at an instant, and since when and why."""
    id_, text = parse_id(visit.parameters["id"]), visit.query.get("at")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return visit.show("parts/error.html", messages=["Choose an event."])
    services, caller, at = visit.services, visit.caller, int(text)
    now = await services.contact_segments.list_page(caller, id_, Window(0, _SEGMENTS_THEN))
    moves = await services.recent_changes.list_page(caller, _MOVES_SINCE, contact_id=id_ or "")
    return visit.show(
        "people/segments_then.html",
        at=at,
        segments=go_back(now.items, moves.changes, at),
        is_known=_reaches(moves, at) and now.total <= _SEGMENTS_THEN,
    )


def go_back(now: Sequence[Membership], moves: Sequence[RecentChange], at: int) -> Sequence[Membership]:
    """Return the memberships at an instant: those of now without the moves since, which come newest first."""
    found = {one.segment.id: one for one in now}
    for move in moves:
        if move.origin.at <= at:
            known = found.get(move.segment.id)
            if move.entered and known is not None and known.entry_origin is None:
                found[move.segment.id] = Membership(known.segment, move.origin)
        elif move.entered:
            found.pop(move.segment.id, None)
        else:
            found[move.segment.id] = Membership(move.segment, None)
    return list(found.values())


def _reaches(moves: RecentPage, at: int) -> bool:
    """Tell whether moves are all that happened since an instant, and the history has it."""
    is_whole = moves.older is None or (bool(moves.changes) and moves.changes[-1].origin.at <= at)
    return is_whole and at >= moves.history_since


async def find_segments(visit: Visit) -> ASGIApp:
    """Show segments by a part of their name, each to be asked why the contact is in it or not."""
    search, caller = read_search(visit.query), visit.caller
    contact = await visit.services.contacts.get(caller, parse_id(visit.parameters["id"]))
    page = await visit.services.segments.list_page(caller, Window(0, SEGMENTS_FOUND), search or None)
    return visit.show(
        "people/found_segments.html", contact=contact, segments=page.items, total=page.total, search=search
    )


async def show_events(visit: Visit) -> ASGIApp:
    """Show a page of the events of a contact, the newest first."""
    id_, number = parse_id(visit.parameters["id"]), read_page_number(visit.query)
    await visit.services.contacts.get(visit.caller, id_)
    window = Window((number - 1) * EVENTS_PER_PAGE, EVENTS_PER_PAGE)
    page = await visit.services.events.list_page(visit.caller, EventFilter(id_), window)
    return visit.show(
        "people/events.html",
        id=id_,
        events=[_show_event(one) for one in page.items],
        total=page.total,
        number=number,
        pages=max(1, -(-page.total // EVENTS_PER_PAGE)),
    )


def _show_event(recorded: RecordedEvent) -> ShownEvent:
    properties = list(_decode(show_properties(recorded.event)).items())
    if recorded.event.campaign_id is not None:
        properties.insert(0, ("campaign", recorded.event.campaign_id))
    shown = [(key, say_value(value)) for key, value in properties[:_PROPERTIES_SHOWN]]
    return ShownEvent(recorded, shown, max(len(properties) - _PROPERTIES_SHOWN, 0))
