"""The list of contacts: the newest, those whose address begins with a text, and a search of names."""

from typing import Final

from litestar.types import ASGIApp

from diglot.api.input.search import MAX_SEARCH_WORDS, build_search_condition
from diglot.conditions.addresses import find_address_fault, normalize_address
from diglot.console.answers import Redirect
from diglot.console.forms import Form
from diglot.console.visit import Visit
from diglot.dialects.registry import DIALECTS
from diglot.model.pages import Window

PER_PAGE: Final = 25
# Rows that a page skips are read, so nobody turns pages through a million contacts.
MAX_PAGES: Final = 400
MAX_SEARCH: Final = 300


def read_search(form: Form) -> str:
    """Return what a person looks for."""
    return form.get("q").strip()[:MAX_SEARCH]


async def show_list(visit: Visit) -> ASGIApp:
    """Show the newest contacts, or those with the beginning of an address; a whole one opens its contact."""
    search = read_search(visit.query)
    number = visit.query.get_number("page", 1, MAX_PAGES)
    # One more tells whether there is another page.
    window = Window((number - 1) * PER_PAGE, PER_PAGE + 1)
    contacts, caller = visit.services.contacts, visit.caller
    total = None
    if search:
        found = await contacts.list_by_prefix(caller, search, window)
        whole = normalize_address(search)
        if not visit.is_part and [one.id for one in found if one.email == whole] and len(found) == 1:
            return Redirect(f"/console/contacts/{found[0].id}")
    else:
        page = await contacts.list_page(caller, window)
        found, total = list(page.items), page.total
    return visit.show(
        "people/contacts.html",
        contacts=found[:PER_PAGE],
        total=total,
        number=number,
        has_more=len(found) > PER_PAGE and number < MAX_PAGES,
        has_too_many=len(found) > PER_PAGE and number == MAX_PAGES,
        search=search,
        is_address=find_address_fault(search) is None,
        dialect=DIALECTS[-1],
        base=str(visit.request.base_url).rstrip("/"),
    )


async def search_names(visit: Visit) -> ASGIApp:
    """Show contacts with words anywhere in their address or names. It scans, so it comes after the page."""
    words = read_search(visit.query).split()[:MAX_SEARCH_WORDS]
    if not words:
        return visit.show("parts/error.html", messages=["Write a part of a name or of an address."])
    condition = build_search_condition(" ".join(words))
    page = await visit.services.contacts.list_page(visit.caller, Window(0, PER_PAGE), condition)
    return visit.show("people/found.html", contacts=page.items, total=page.total, words=words)
