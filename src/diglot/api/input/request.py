"""A request as the server received it, without what frameworks make of one, and its headers."""

from collections.abc import Callable
from typing import Any, Protocol

from litestar.types import Receive


class HasScope(Protocol):
    """A request of this module or of Litestar: its headers are in its ASGI scope."""

    @property
    def scope(self) -> Any: ...


class HasBody(HasScope, Protocol):
    """A request of this module or of Litestar, with what receives its body."""

    @property
    def receive(self) -> Any: ...


class Request:
    """A request for a call: the scope has the parameters of its path, `receive` returns its body."""

    __slots__ = ("receive", "scope")

    def __init__(self, scope: Any, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive


def find_header(request: HasScope, name: bytes) -> str | None:
    """Return the last header with a lower-case name, without building a mapping of all headers."""
    found = None
    for key, value in request.scope["headers"]:
        if key == name:
            found = value.decode("latin-1")
    return found


def read_bearer_token(request: HasScope) -> str | None:
    """Return the token of `Authorization: Bearer`, or None without such a header."""
    written = find_header(request, b"authorization")
    if written is None:
        return None
    scheme, _, token = written.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bearer_or(name: bytes) -> Callable[[HasScope], str | None]:
    """Return a function that reads the bearer token of a request or, without one, another header."""

    def secret(request: HasScope) -> str | None:
        token = read_bearer_token(request)
        return find_header(request, name) if token is None else token

    return secret
