"""The routes of the console in the app. The pages are imported when the first of them is asked for."""

import asyncio
from importlib import import_module
from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from diglot.api.call import SERVICES
from diglot.console.answers import Html
from diglot.errors import NotFound
from diglot.server.console.routing import build_route
from diglot.server.console_link import IS_NEW_PATH
from diglot.settings import Settings

# The path of the device cookie begins with that of sessions, so the form for signing in lies there, too.
SIGN_IN_PATH: Final = "/session/sign-in"
CONSOLE_PATH: Final = "/console"
_PATHS: Final = {
    "home": "/",
    "segments": CONSOLE_PATH,
    "page": "/console/{rest:path}",
    "signInPage": SIGN_IN_PATH,
}
_PAGES: Final = "diglot.console.application"


def build_routes(settings: Settings) -> list[HTTPRouteHandler]:
    """Return the routes; none if the console is switched off."""
    if not settings.console:
        return []

    async def answer(request: Request[Any, Any, Any]) -> ASGIApp:
        pages = await asyncio.to_thread(import_module, _PAGES)
        app: ASGIApp = await pages.answer(request, settings)
        return app

    routes = [build_route(path, ["GET", "POST"], name, answer) for name, path in _PATHS.items()]
    return [*routes, build_route(IS_NEW_PATH, ["GET"], "isNew", _say_that_it_is_new)]


async def _say_that_it_is_new(request: Request[Any, Any, Any]) -> ASGIApp:
    """Answer whether a person may set up this server; raise `NotFound` if not."""
    if not await request.app.state[SERVICES].first_visit.is_open():
        raise NotFound("page")
    return Html("This server is new.")
