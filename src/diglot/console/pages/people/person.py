"""Requests of a person: everything that is stored about an address as a file, and its erasure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final

import msgspec
from litestar.types import ASGIApp

from diglot.api.responses import EXTRA_HEADERS, StreamedFile, StreamedResponse
from diglot.conditions.addresses import find_address_fault, normalize_address
from diglot.console.answers import Html
from diglot.console.forms import Form
from diglot.console.visit import Visit
from diglot.errors import InvalidInput, NotFound

_MAX_ADDRESS: Final = 300
# A proxy closes a connection on which nothing comes for a minute.
_SECONDS_OF_SILENCE: Final = 10
# JSON may begin with white space.
_STILL_THERE: Final = b"\n"


async def show(visit: Visit) -> ASGIApp:
    """Show what can be done for a person who has an address, also one whose contact was deleted."""
    email = _read_address(visit.query)
    return await _show(visit, email)


async def _show(visit: Visit, email: str, fault: str = "", typed: str = "") -> Html:
    try:
        contact = await visit.services.contacts.get_by_email(visit.caller, email)
    except NotFound:
        contact = None
    shown = email if contact is None else contact.shown_email
    values = {"email": shown, "contact": contact, "fault": fault, "typed": typed}
    return visit.show("people/person.html", status=400 if fault else 200, **values)


async def export(visit: Visit) -> ASGIApp:
    """Send everything that is stored about an address, of the workspace and of nobody else, as JSON.

    All deliveries and the whole history are read for it, so the file may take minutes to begin.
    """
    email = _read_address(visit.query)
    work = visit.services.personal_data.export_for(visit.caller, email)
    scope: Any = visit.request.scope
    headers = (
        (b"content-disposition", b'attachment; filename="person.json"'),
        (b"cache-control", b"no-store"),
    )
    scope[EXTRA_HEADERS].extend(headers)
    return StreamedResponse(200, StreamedFile("application/json", _send_when_done(work)))


async def _send_when_done(work: Awaitable[dict[str, Any]]) -> AsyncIterator[bytes]:
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_SECONDS_OF_SILENCE))[0]:
            yield _STILL_THERE
        yield msgspec.json.format(msgspec.json.encode(await task), indent=2) + b"\n"
    finally:
        task.cancel()


async def erase(visit: Visit) -> ASGIApp:
    """Erase a person, if the address was typed again."""
    form = await visit.read_form()
    email, typed = _read_address(form), form.get("typed").strip()[:_MAX_ADDRESS]
    if normalize_address(typed) != normalize_address(email):
        fault = "This is not the address. Nothing was erased."
        return await _show(visit, email, fault, typed)
    erased = await visit.services.personal_data.erase_for(visit.caller, email)
    return visit.show("people/erased.html", email=email, erased=erased)


def _read_address(form: Form) -> str:
    """Return an address; raise `InvalidInput`."""
    email = form.get("email").strip()
    if len(email) > _MAX_ADDRESS or find_address_fault(email) is not None:
        raise InvalidInput.at(("email",), "Write the whole email address of the person")
    return email
