"""The lists of one contact: shown, joined and left one by one."""

from typing import Final

from litestar.types import ASGIApp

from diglot.console.answers import Html
from diglot.console.pages.people.contacts import read_search
from diglot.console.visit import Visit
from diglot.errors import InvalidInput, NotFound
from diglot.model.ids import parse_id

_FOUND: Final = 10


async def show(visit: Visit) -> ASGIApp:
    """Show the lists of a contact, and lists to join, by a part of their name."""
    return await _show(visit, read_search(visit.query))


async def join(visit: Visit) -> ASGIApp:
    """Put the contact on a list."""
    form = await visit.read_form()
    id_, list_id = parse_id(visit.parameters["id"]), parse_id(form.get("list"))
    try:
        await visit.services.lists.add_contacts(visit.caller, list_id, [id_])
    except NotFound:
        return await _show(visit, "", "That list does not exist any more.")
    except InvalidInput as error:
        return await _show(visit, "", error.faults[0].message)
    return await _show(visit, "")


async def leave(visit: Visit) -> ASGIApp:
    """Take the contact off a list; one that is not on it any more is told so by the lists shown."""
    form = await visit.read_form()
    id_, list_id = parse_id(visit.parameters["id"]), parse_id(form.get("list"))
    try:
        await visit.services.lists.remove_contact(visit.caller, list_id, id_)
    except NotFound:
        return await _show(visit, "", "The contact was not on that list any more.")
    except InvalidInput as error:
        return await _show(visit, "", error.faults[0].message)
    return await _show(visit, "")


async def _show(visit: Visit, search: str, fault: str = "") -> Html:
    contact, own = await visit.services.contacts.get_with_lists(
        visit.caller, parse_id(visit.parameters["id"])
    )
    # The contact may be on all of the newest ones.
    found = await visit.services.lists.find_static(visit.caller, search or None, _FOUND + len(own))
    on = {one.id for one in own}
    others = [one for one in found if one.id not in on][:_FOUND]
    values = {"contact": contact, "lists": own, "others": others, "search": search, "fault": fault}
    return visit.show("people/lists.html", status=409 if fault else 200, **values)
