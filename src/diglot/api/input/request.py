"""A request as the server received it, without what frameworks make of one."""

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
