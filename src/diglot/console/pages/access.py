"""Coming in and going out: the first visit of a new server, sign-in, one-time links, sign-out."""

import asyncio
from typing import Final

from litestar.types import ASGIApp

from diglot.api.authentication import read_cookie, read_session_cookie, refuse_cross_site
from diglot.console.answers import Html, Redirect
from diglot.console.assets import FILES
from diglot.console.forms import Form
from diglot.console.mount import SIGN_IN_PATH
from diglot.console.visit import Visit
from diglot.dialects.registry import DIALECTS
from diglot.errors import Conflict, DiglotError, InvalidInput, NotFound, TooManyRequests, Unauthenticated
from diglot.server.console.session import build_session_cookies, expire_session_cookie
from diglot.server.guards.networks import client_network
from diglot.service.access import devices, passwords, sessions
from diglot.service.access.first_visit import NewServer
from diglot.service.access.workspaces import MAX_NAME_LENGTH

HOME: Final = "/console"


async def show_home(visit: Visit) -> Redirect:
    """Go to the first page."""
    del visit
    return Redirect(HOME)


async def send_asset(visit: Visit) -> ASGIApp:
    """Return a script or a style; raise `NotFound`."""
    file = await asyncio.to_thread(FILES.find, visit.parameters["digest"], visit.parameters["name"])
    if file is None:
        raise NotFound("file")
    return file


async def show_sign_in(visit: Visit) -> ASGIApp:
    """Show the form; on a new server go to its first page instead."""
    if visit.session is not None:
        return Redirect(_safe_path(visit.query.get("next")))
    if await visit.services.first_visit.is_open():
        return Redirect("/console/setup")
    return visit.show("sign_in.html", fault="", name="", next=visit.query.get("next"))


async def sign_in(visit: Visit) -> ASGIApp:
    """Begin a session with a password, as often as strangers and devices may try."""
    refuse_cross_site(visit.request)
    form = await visit.read_form()
    try:
        cookies = await _begin_session(visit, form)
    except Unauthenticated:
        return _refuse(visit, form, 401, "The workspace or the password is wrong.")
    except TooManyRequests as error:
        again = f"Too many attempts: wait {error.retry_after} seconds and try again."
        return _refuse(visit, form, 429, again, retry_after=error.retry_after)
    return Redirect(_safe_path(form.get("next")), cookies)


async def _begin_session(visit: Visit, form: Form) -> tuple[tuple[bytes, bytes], ...]:
    name, request = form.get("workspace").strip(), visit.request
    if len(name) > MAX_NAME_LENGTH or len(form.get("password")) > passwords.MAX_LENGTH:
        raise Unauthenticated
    address = client_network(request.scope, visit.settings.trusted_proxies)
    device = read_cookie(request, devices.name_cookie(name))
    browser = sessions.Browser(address, read_session_cookie(request), device)
    signed_in = await visit.services.sessions.sign_in(name, form.get("password"), browser)
    return build_session_cookies(request, name, signed_in)


def _refuse(visit: Visit, form: Form, status: int, fault: str, retry_after: int = 0) -> Html:
    values = {"fault": fault, "name": form.get("workspace"), "next": form.get("next")}
    page = visit.show("sign_in.html", status=status, **values)
    headers = ((b"retry-after", b"%d" % retry_after),) if retry_after else ()
    return Html(page.text, page.status, headers)


async def sign_out(visit: Visit) -> Redirect:
    """End the session."""
    assert visit.secret is not None, "the page is not public"
    await visit.services.sessions.sign_out(visit.secret)
    return Redirect(SIGN_IN_PATH, (expire_session_cookie(visit.request),))


async def show_entry(visit: Visit) -> ASGIApp:
    """Show the form for a one-time link. The secret follows `#`, so no server and no log sees it before."""
    return visit.show("enter.html", fault="")


async def enter(visit: Visit) -> ASGIApp:
    """Begin a session by a one-time link."""
    refuse_cross_site(visit.request)
    link = (await visit.read_form()).get("token").strip()
    try:
        secret = await visit.services.sessions.enter(link)
    except Unauthenticated:
        fault = "This link was used before, or has expired. Start the demo again to get another."
        return visit.show("enter.html", status=401, fault=fault)
    return Redirect(HOME, build_session_cookies(visit.request, "", secret))


async def show_setup(visit: Visit) -> ASGIApp:
    """Show the form of a new server."""
    if not await visit.services.first_visit.is_open():
        return Redirect(SIGN_IN_PATH)
    return visit.show("setup.html", faults=[], form=Form())


async def set_up(visit: Visit) -> ASGIApp:
    """Create the first workspace with its password and keys, sign in, and show the keys once."""
    refuse_cross_site(visit.request)
    form = await visit.read_form()
    new = NewServer(
        form.get("workspace").strip(), form.get("time_zone").strip() or "UTC", form.get("password")
    )
    formats = [dialect.key_format for dialect in DIALECTS]
    try:
        keys = await visit.services.first_visit.set_up(form.get("token").strip(), new, formats)
    except Unauthenticated:
        faults = ["The token is wrong. The server prints it when it starts."]
        return visit.show("setup.html", status=403, faults=faults, form=form)
    except Conflict as conflict:
        return visit.show("setup.html", status=409, faults=[str(conflict)], form=form)
    except InvalidInput as error:
        faults = [fault.message for fault in error.faults]
        return visit.show("setup.html", status=400, faults=faults, form=form)
    try:
        cookies = await _begin_session(visit, form)
    except DiglotError:
        # For example after too many attempts of others; the keys are shown all the same, and only now.
        cookies = ()
    shown = [(dialect, key) for dialect, key in zip(DIALECTS, keys, strict=True)]
    page = visit.show("keys_created.html", keys=shown, base=_base_of(visit))
    return Html(page.text, headers=cookies)


def _base_of(visit: Visit) -> str:
    return str(visit.request.base_url).rstrip("/")


def _safe_path(path: str) -> str:
    """Return a path of the console; anything else, such as another site, is the first page."""
    is_ours = path.isascii() and path.isprintable() and path.startswith(f"{HOME}/")
    return path if is_ours and "\\" not in path and "//" not in path else HOME
