"""Converts errors to responses in the error body of the path's dialect, or in the console's."""

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import ClientException, MethodNotAllowedException, NotFoundException

from diglot.api.responses import ErrorResponse
from diglot.dialects.registry import find_surface
from diglot.errors import DiglotError, MalformedRequest, MethodNotAllowed, NotFound
from diglot.server.console.errors import render_error

log: Final = logging.getLogger("diglot")
_ENCODE: Final = msgspec.json.Encoder().encode
# The keys of the app state for the lookup of allowed methods and for the dialects with an upstream.
ALLOWED_METHODS: Final = "allowed_methods"
FORWARDED_DIALECTS: Final = "forwarded_dialects"


def respond_with_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Respond to an error with the error body of the dialect that has the path's prefix, or the console's."""
    domain_error = _to_domain_error(request, error)
    if not isinstance(domain_error, DiglotError):
        request_id = request.scope.get("diglot.request_id")
        log.error("request %s failed", request_id, exc_info=domain_error)
    response = find_renderer(request.scope["path"])(domain_error)
    return Response(
        _ENCODE(response.body),
        status_code=response.status,
        headers=response.headers,
        media_type="application/json",
    )


def _to_domain_error(request: Request[Any, Any, Any], error: Exception) -> Exception:
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(request.app.state[ALLOWED_METHODS](request.scope["path"]) or ())
    if isinstance(error, NotFoundException):
        dialect_and_surface = find_surface(request.scope["path"])
        is_forwarded = (
            dialect_and_surface is not None
            and dialect_and_surface[0].name in request.app.state[FORWARDED_DIALECTS]
        )
        return NotFound("spelling" if is_forwarded else "route")
    if isinstance(error, ClientException):
        return MalformedRequest(error.detail)  # an invalid Host header; Litestar checks nothing else
    return error


def find_renderer(path: str) -> Callable[[Exception], ErrorResponse]:
    """Return what renders the errors of a path: its dialect's, or the console's."""
    dialect_and_surface = find_surface(path)
    return render_error if dialect_and_surface is None else dialect_and_surface[1].render_error
