"""Requests of a person: everything that is stored about an address as a file, and its erasure."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar.types import ASGIApp

from diglot.conditions.addresses import find_address_fault, normalize_address
from diglot.console.answers import Download, Html
from diglot.console.forms import Form
from diglot.console.visit import Visit
from diglot.errors import DeadlineExceeded, InvalidInput, NotFound
from diglot.model.imports import ENDED, ImportJob
from diglot.model.pages import Window

_MAX_ADDRESS: Final = 300
# Files are searched among so many of the newest imports.
_IMPORTS: Final = Window(0, 50)


async def show(visit: Visit) -> ASGIApp:
    """Show what can be done for a person who has an address, also one whose contact was deleted."""
    email = _read_address(visit.query)
    return await _show(visit, email)


async def _show(
    visit: Visit, email: str, fault: str = "", typed: str = "", *, too_much: bool = False
) -> Html:
    try:
        contact = await visit.services.contacts.get_by_email(visit.caller, email)
    except NotFound:
        contact = None
    shown = email if contact is None else contact.shown_email
    values = {"email": shown, "contact": contact, "fault": fault, "typed": typed, "too_much": too_much}
    status, files = 503 if too_much else 400 if fault else 200, await _list_files(visit)
    return visit.show("people/person.html", status=status, files=files, **values)


async def _list_files(visit: Visit) -> Sequence[ImportJob]:
    """Return the imports whose files are stored still; whom they name is not known."""
    jobs, _ = await visit.services.imports.list_page(visit.caller, _IMPORTS)
    return [job for job in jobs if job.status not in ENDED]


async def export(visit: Visit) -> ASGIApp:
    """Send everything that is stored about an address in the workspace, and nothing of others, as JSON."""
    email = _read_address(visit.query)
    try:
        found = await visit.services.person_requests.export(visit.caller, email)
    except DeadlineExceeded:
        return await _show(visit, email, too_much=True)
    content = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    return Download("person.json", "application/json", content)


async def erase(visit: Visit) -> ASGIApp:
    """Erase a person, if the address was typed again."""
    form = await visit.read_form()
    email, typed = _read_address(form), form.get("typed").strip()[:_MAX_ADDRESS]
    if normalize_address(typed) != normalize_address(email):
        fault = "This is not the address. Nothing was erased."
        return await _show(visit, email, fault, typed)
    try:
        erased = await visit.services.person_requests.erase(visit.caller, email)
    except DeadlineExceeded:
        return await _show(visit, email, too_much=True)
    return visit.show("people/erased.html", email=email, erased=erased, files=await _list_files(visit))


def _read_address(form: Form) -> str:
    """Return an address; raise `InvalidInput`."""
    email = form.get("email").strip()
    if len(email) > _MAX_ADDRESS or find_address_fault(email) is not None:
        raise InvalidInput.at(("email",), "Write the whole email address of the person")
    return email
