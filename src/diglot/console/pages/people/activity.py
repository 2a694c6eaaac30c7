"""Activity: who entered and left which segment, and why, the newest first."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from litestar.types import ASGIApp

from diglot.console.visit import Visit
from diglot.errors import NotFound
from diglot.model.contacts import Contact
from diglot.model.ids import parse_id
from diglot.model.pages import Window
from diglot.model.segments import Segment

PER_PAGE: Final = 25
# Entry numbers fit 64 bits.
_MAX_DIGITS: Final = 18
_MAX_TEXT: Final = 300
_CHOICES: Final = 10


@dataclass(frozen=True, slots=True)
class Filter:
    """What a person asks for: the texts as typed, and what they name; `choices` are segments to choose from.

    `faults` say which text names nothing.
    """

    segment_text: str
    contact_text: str
    segment: Segment | None = None
    contact: Contact | None = None
    choices: tuple[Segment, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """The query string that asks for the same, by ids."""
        named = {"segment": self.segment, "contact": self.contact}
        return urlencode({name: one.id for name, one in named.items() if one is not None})


async def show(visit: Visit) -> ASGIApp:
    """Show the filters; the changes arrive after the page."""
    return visit.show("people/activity.html", asked=await _read_filter(visit))


async def show_changes(visit: Visit) -> ASGIApp:
    """Show a page of changes, of a segment and of a contact if their ids are given."""
    query = visit.query
    segment, contact = query.get("segment"), query.get("contact")
    until = _read_entry(query.get("until"))
    page = await visit.services.recent_changes.list_page(
        visit.caller,
        PER_PAGE,
        (parse_id(segment) or "") if segment else None,
        (parse_id(contact) or "") if contact else None,
        until,
    )
    given = {name: id_ for name, id_ in (("segment", segment), ("contact", contact)) if id_}
    return visit.show(
        "people/changes.html", page=page, query=urlencode(given), is_of_contact=bool(contact), until=until
    )


def _read_entry(text: str) -> int | None:
    """Return an entry number; anything else stands for the newest."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


async def _read_filter(visit: Visit) -> Filter:
    """Return the filter of a query: a segment by its id or a part of its name, a contact by id or address."""
    query = visit.query
    segment_text = query.get("segment").strip()[:_MAX_TEXT]
    contact_text = query.get("contact").strip()[:_MAX_TEXT]
    faults: list[str] = []
    segment, choices = await _find_segment(visit, segment_text) if segment_text else (None, ())
    if segment_text and segment is None and not choices:
        faults.append("No segment has this name.")
    contact = await _find_contact(visit, contact_text) if contact_text else None
    if contact_text and contact is None:
        faults.append("No contact has this address.")
    if segment is not None:
        segment_text = segment.name
    if contact is not None:
        contact_text = contact.shown_email
    return Filter(segment_text, contact_text, segment, contact, choices, tuple(faults))


async def _find_segment(visit: Visit, text: str) -> tuple[Segment | None, tuple[Segment, ...]]:
    """Return the segment that a text names, or those that it may name."""
    services, caller = visit.services, visit.caller
    if (id_ := parse_id(text)) is not None:
        try:
            return await services.segments.get(caller, id_), ()
        except NotFound:
            return None, ()
    found = (await services.segments.list_page(caller, Window(0, _CHOICES), text)).items
    named = [one for one in found if one.name == text] or found
    return (named[0], ()) if len(named) == 1 else (None, tuple(named))


async def _find_contact(visit: Visit, text: str) -> Contact | None:
    contacts, caller = visit.services.contacts, visit.caller
    try:
        if (id_ := parse_id(text)) is not None:
            return await contacts.get(caller, id_)
        return await contacts.get_by_email(caller, text)
    except NotFound:
        return None
