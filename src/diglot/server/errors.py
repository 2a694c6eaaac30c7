"""Errors -> answers: in the envelope of the dialect that a path belongs to, or in our own."""

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
# Where the app keeps what tells the methods of a path, and the dialects that have an upstream.
ALLOWED_METHODS: Final = "allowed_methods"
FORWARDED_DIALECTS: Final = "forwarded_dialects"


def respond_with_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer an error in the envelope of the dialect whose prefix the path is under, or in our own."""
    known = _to_domain_error(request, error)
    if not isinstance(known, DiglotError):
        request_id = request.scope.get("diglot.request_id")
        log.error("request %s failed", request_id, exc_info=known)
    answer = _choose_renderer(request.scope["path"])(known)
    return Response(
        _ENCODE(answer.body),
        status_code=answer.status,
        headers=answer.headers,
        media_type="application/json",
    )


def _to_domain_error(request: Request[Any, Any, Any], error: Exception) -> Exception:
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(request.app.state[ALLOWED_METHODS](request.scope["path"]) or ())
    if isinstance(error, NotFoundException):
        found = find_surface(request.scope["path"])
        passed = found is not None and found[0].name in request.app.state[FORWARDED_DIALECTS]
        return NotFound("spelling" if passed else "route")
    if isinstance(error, ClientException):
        return MalformedRequest(error.detail)  # the Host header is at fault: nothing else is left to Litestar
    return error


def _choose_renderer(path: str) -> Callable[[Exception], ErrorResponse]:
    found = find_surface(path)
    return render_error if found is None else found[1].render_error
