"""Builds routes of the console."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler, route
from litestar.types import ASGIApp

from diglot.request_record import record_of

# The dialect of what belongs to none, and the operation of every page for people, in metrics and in the log.
NO_DIALECT: Final = "none"
CONSOLE: Final = f"{NO_DIALECT}.console"
Handler = Callable[[Request[Any, Any, Any]], Awaitable[ASGIApp]]


def build_route(path: str, method: Any, name: str, handler: Handler) -> HTTPRouteHandler:
    """Return the route of a handler."""

    # Litestar reads a handler's annotations by parameter name.
    async def answer(request: Request[Any, Any, Any]) -> ASGIApp:
        record = record_of(request.scope)
        record.operation = CONSOLE
        return await handler(request)

    return route(path, http_method=method, status_code=200, name=f"console.{name}")(answer)
