"""Answers calls of dialects without Litestar, whose routing and handling costs 20 us of a read's 100.

The table is made of Litestar's routes and finds what Litestar would: a literal part wins over a parameter.
Whatever is unusual is left to Litestar, which normalizes paths, rejects hosts, and answers 404 and 405.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from litestar.routes import BaseRoute, HTTPRoute

from diglot.api.input.request import Request
from diglot.api.pipeline import RESPONDER, Responder
from diglot.api.responses import ErrorResponse, JsonResponse, StreamedResponse, encode_json
from diglot.errors import DiglotError
from diglot.service.services import Services

log: Final = logging.getLogger("diglot")
RendererFor = Callable[[str], Callable[[Exception], ErrorResponse]]
# What answers a request, and the parameters of its path, which nobody changes.
_Found = tuple[Responder, dict[str, str]]
# The same paths are asked for again and again; these take about a megabyte.
MAX_RECENT: Final = 1_024
_MAX_RECENT_LENGTH: Final = 256
_PLAIN_HOST: Final = re.compile(rb"[0-9A-Za-z.:_-]*")


@dataclass(slots=True)
class _Node:
    """A beginning of paths: its next parts, and the calls of the path that ends here."""

    parts: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    # By method, each with the names of the parameters.
    calls: dict[str, tuple[Responder, tuple[str, ...]]] = field(default_factory=dict)


class DirectCalls:
    """The calls of an app, by path and method; without routes there is none.

    `renderer_for` returns what renders the errors of a path.
    """

    def __init__(
        self, routes: Sequence[BaseRoute], services: Services | None, renderer_for: RendererFor
    ) -> None:
        self._root = _Node()
        # What was found, by method and path.
        self._recent: dict[tuple[str, str], _Found] = {}
        self._services = services
        self._renderer_for = renderer_for
        for route in routes:
            if isinstance(route, HTTPRoute):
                self._add(route)

    def _add(self, route: HTTPRoute) -> None:
        node, names = self._root, []
        for part in route.path_components:
            if isinstance(part, str):
                node = node.parts.setdefault(part, _Node())
                continue
            names.append(part.name)
            if node.parameter is None:
                node.parameter = _Node()
            node = node.parameter
        for method, (handler, _) in route.route_handler_map.items():
            if (responder := handler.opt.get(RESPONDER)) is not None:
                node.calls[method] = responder, tuple(names)

    def find(self, scope: dict[str, Any], headers: Mapping[bytes, bytes]) -> Responder | None:
        """Return what answers a request, and put the parameters of its path into the scope.

        Return None for a request of another route, and for one that needs a closer look.
        """
        if (
            scope.get("root_path")
            or len(headers) != len(scope["headers"])
            or _PLAIN_HOST.fullmatch(headers.get(b"host", b"")) is None
        ):
            return None
        asked = scope["method"], scope["path"]
        found = self._recent.get(asked)
        if found is None:
            found = self._find_call(*asked)
            if found is None:
                return None
            self._remember(asked, found)
        responder, scope["path_params"] = found
        return responder

    def _remember(self, asked: tuple[str, str], found: _Found) -> None:
        if len(asked[1]) <= _MAX_RECENT_LENGTH:
            if len(self._recent) >= MAX_RECENT:
                self._recent.clear()
            self._recent[asked] = found

    def _find_call(self, method: str, path: str) -> _Found | None:
        if "\x00" in path:
            return None
        node, values = self._root, []
        empty, *parts = path.split("/")
        for part in parts:
            following = node.parts.get(part)
            if following is None:
                following = node.parameter
                if following is None or not part:
                    return None
                values.append(part)
            node = following
        call = node.calls.get(method)
        if call is None or empty:
            return None
        responder, names = call
        return responder, dict(zip(names, values, strict=True))

    async def respond(
        self, responder: Responder, scope: dict[str, Any], receive: Any
    ) -> JsonResponse | StreamedResponse:
        """Return the response to a request, also if its call raises an error."""
        assert self._services is not None, "without services there is no call to find"
        try:
            return await responder(Request(scope, receive), self._services)
        except DiglotError as error:
            return render(self._renderer_for(scope["path"]), error)
        except Exception as error:
            log.exception("request %s failed", scope["diglot.request_id"])
            return render(self._renderer_for(scope["path"]), error)


def render(render_error: Callable[[Exception], ErrorResponse], error: Exception) -> JsonResponse:
    """Return the response to an error."""
    response = render_error(error)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in response.headers.items())
    return JsonResponse(response.status, encode_json(response.body), headers)
