"""Exports: all contacts, or those on a list, as a file."""

from typing import Final

from litestar.types import ASGIApp

from diglot.console.visit import Visit
from diglot.model.ids import parse_id
from diglot.model.pages import Window
from diglot.service.exports.exports import ALL_CONTACTS, ExportRequest, contacts_on_list
from diglot.service.exports.formats import MEDIA_TYPES, ExportFormat

_LISTS_SHOWN: Final = 100
_FOR_PEOPLE: Final = "people"
# What a file is for: its format, and whether cells that a spreadsheet would compute are escaped.
_FILES: Final = {
    _FOR_PEOPLE: (ExportFormat.CSV, True),
    "import": (ExportFormat.CSV, False),
    "programs": (ExportFormat.NDJSON, False),
}


async def show(visit: Visit) -> ASGIApp:
    """Show the form for an export."""
    page = await visit.services.lists.list_page(visit.caller, Window(0, _LISTS_SHOWN))
    return visit.show("imports/export.html", lists=[one.list for one in page.items], total=page.total)


async def send(visit: Visit) -> ASGIApp:
    """Send the contacts as a file; one for spreadsheets has no cell that they compute."""
    query = visit.query
    format_, is_for_people = _FILES.get(query.get("for"), _FILES[_FOR_PEOPLE])
    audience = contacts_on_list(parse_id(query.get("list"))) if query.get("list") else ALL_CONTACTS
    request = ExportRequest(audience, format_, escapes_formulas=is_for_people)
    found = await visit.services.exports.begin(visit.caller, request)
    return visit.send_file(f"contacts.{format_.value}", MEDIA_TYPES[format_], found.parts)
