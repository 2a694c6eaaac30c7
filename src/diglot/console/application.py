"""Answers a request for a page, and shows faults as pages."""

import logging
from typing import Any, Final
from urllib.parse import quote

from litestar import Request
from litestar.types import ASGIApp

from diglot.api.call import SERVICES
from diglot.console.answers import Html, Redirect
from diglot.console.mount import SIGN_IN_PATH
from diglot.console.page_table import find_page
from diglot.console.visit import Visit
from diglot.errors import DiglotError, InvalidInput, MethodNotAllowed, NotFound, Unauthenticated
from diglot.request_record import record_of
from diglot.server.console.errors import render_error
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from diglot.settings import Settings

log: Final = logging.getLogger("diglot")


async def answer(request: Request[Any, Any, Any], settings: Settings) -> ASGIApp:
    """Return the answer to a request; an error is a page, too."""
    visit = Visit(request, request.app.state[SERVICES], settings)
    try:
        return await _answer(visit)
    except Unauthenticated:
        # Only a whole page can be opened again.
        is_page = request.scope["method"] == "GET" and not visit.is_part
        return Redirect(f"{SIGN_IN_PATH}?next={quote(visit.path, safe='')}" if is_page else SIGN_IN_PATH)
    except DiglotError as error:
        return show_error(visit, error)
    except Exception as error:
        log.exception("request %s failed", request.scope.get("diglot.request_id"))
        return show_error(visit, error)


async def _answer(visit: Visit) -> ASGIApp:
    page, visit.parameters = find_page(visit.path)
    method = visit.request.scope["method"]
    handler = page.get if method == "GET" else page.post
    if handler is None:
        raise MethodNotAllowed([name for name, it in (("GET", page.get), ("POST", page.post)) if it])
    await visit.recognize()
    if not page.is_public:
        record = record_of(visit.request.scope)
        record.workspace, record.key = visit.caller.workspace, visit.caller.key
        if method == "POST":
            await visit.require_own_write()
    return await handler(visit)


def show_error(visit: Visit, error: Exception) -> Html:
    """Return the page for an error, or the part of a page."""
    told = render_error(error)
    messages = [fault.message for fault in error.faults] if isinstance(error, InvalidInput) else []
    if isinstance(error, NotFound):
        resource = "contact" if error.resource == REFERENCED_CONTACT else error.resource
        messages = [f"There is no such {resource}."]
    messages = messages or [str(getattr(told.body, "error", ""))]
    template = "parts/error.html" if visit.is_part else "error.html"
    page = visit.show(template, status=told.status, messages=messages)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in told.headers.items())
    return Html(page.text, page.status, headers)
