"""What a call is, said once: routed by Litestar, described in the OpenAPI document, walked by tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler, route
from litestar.types import Method

OPT: Final = "operation"
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `answer` is the body of success; `body` and `query` are structs that document the input."""

    id: str
    method: Method
    path: str
    tag: str
    summary: str
    scope: str
    answer: type[msgspec.Struct]
    status: int = 200
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    most_bytes: int = MEGABYTE
    conflict: bool = False

    @property
    def has_id(self) -> bool:
        """Whether the path names a thing, so that it may be missing."""
        return "{" in self.path

    def route(self) -> Callable[[Any], HTTPRouteHandler]:
        """Return the decorator that makes a function the handler of this call."""
        return route(
            self.path,
            http_method=self.method,
            status_code=self.status,
            operation_id=self.id,
            opt={OPT: self},
        )
