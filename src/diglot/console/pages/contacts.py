"""Contacts: the newest, one by address, and what one of them holds, with the segments that it is in."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar.types import ASGIApp

from diglot.api.formatting import whole_if_integral
from diglot.conditions.fields import STORED_FIELDS, FieldKind
from diglot.console.answers import Redirect
from diglot.console.visit import Visit, read_page_number
from diglot.console.words import name_field
from diglot.errors import NotFound
from diglot.model.contacts import Contact
from diglot.model.ids import parse_id
from diglot.model.pages import Window

PER_PAGE: Final = 25
SEGMENTS_SHOWN: Final = 100
_MAX_SEARCH: Final = 300
# What the page shows in places of their own.
_ELSEWHERE: Final = frozenset({"email", "tags", "status"})
_decode = msgspec.json.Decoder().decode


async def show_list(visit: Visit) -> ASGIApp:
    """Show the newest contacts, or go to the one with the address that is searched for."""
    wanted = visit.query.get("q").strip()[:_MAX_SEARCH]
    if wanted:
        try:
            found = await visit.services.contacts.get_by_email(visit.caller, wanted)
        except NotFound:
            return visit.show("contacts.html", contacts=[], total=0, number=1, pages=1, search=wanted)
        return Redirect(f"/console/contacts/{found.id}")
    number = read_page_number(visit.query)
    page = await visit.services.contacts.list_page(visit.caller, Window((number - 1) * PER_PAGE, PER_PAGE))
    pages = max(1, -(-page.total // PER_PAGE))
    return visit.show(
        "contacts.html", contacts=page.items, total=page.total, number=number, pages=pages, search=""
    )


async def show(visit: Visit) -> ASGIApp:
    """Show one contact."""
    id_ = parse_id(visit.parameters["id"])
    contact, lists = await visit.services.contacts.get_with_lists(visit.caller, id_)
    found = await visit.services.contact_segments.list_page(visit.caller, id_, Window(0, SEGMENTS_SHOWN))
    attributes = _decode(contact.attributes)
    return visit.show(
        "contact.html",
        contact=contact,
        tags=_decode(contact.tags),
        lists=lists,
        fields=_list_fields(contact),
        attributes=[(key, _say_value(value)) for key, value in attributes.items()],
        memberships=found.items,
        total=found.total,
    )


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


def _say_value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
