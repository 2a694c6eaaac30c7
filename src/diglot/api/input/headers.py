"""Headers of a request."""

from collections.abc import Callable
from typing import Any

from litestar import Request


def header(request: Request[Any, Any, Any], name: bytes) -> str | None:
    """Return the last header of a lower-case name, without building a mapping of all."""
    found = None
    for key, value in request.scope["headers"]:
        if key == name:
            found = value.decode("latin-1")
    return found


def bearer(request: Request[Any, Any, Any]) -> str | None:
    """Return the token of `Authorization: Bearer`, or None where there is no such header."""
    written = header(request, b"authorization")
    if written is None:
        return None
    scheme, _, token = written.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bearer_or(name: bytes) -> Callable[[Request[Any, Any, Any]], str | None]:
    """Return what finds the bearer token of a request or, where there is none, another header's value."""

    def secret(request: Request[Any, Any, Any]) -> str | None:
        token = bearer(request)
        return header(request, name) if token is None else token

    return secret
