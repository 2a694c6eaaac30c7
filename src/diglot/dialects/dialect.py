"""What the app needs from a dialect, and what a dialect's handlers get from the app."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request

from diglot.dialects import bodies, queries
from diglot.dialects.operations import Endpoint, Operation
from diglot.errors import Invalid, TooLarge, Unsupported
from diglot.model.workspaces import Caller
from diglot.service.contacts import Contacts
from diglot.service.keys import Keys, KeyShape
from diglot.service.segments import Segments

SERVICES: Final = "services"


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, and whether dialects refuse what their vendor does not have."""

    segments: Segments
    contacts: Contacts
    keys: Keys
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An error in a dialect's own envelope."""

    status: int
    body: msgspec.Struct
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's HTTP vocabulary: `secret` finds the key of a request, `may` tells whether scopes suffice."""

    name: str
    title: str
    prefix: str
    keys: KeyShape
    endpoints: Sequence[Endpoint]
    secret: Callable[[Request[Any, Any, Any]], str | None]
    may: Callable[[frozenset[str], str], bool]
    render_error: Callable[[Exception], Answer]
    error_body: type[msgspec.Struct]
    schemes: dict[str, Any]
    schemas: dict[str, Any]
    description: str

    @property
    def operations(self) -> list[Operation]:
        """The calls of the dialect."""
        return [endpoint.operation for endpoint in self.endpoints]


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose key is known and may do what it asks."""

    request: Request[Any, Any, Any]
    operation: Operation
    caller: Caller
    services: Services

    @property
    def path(self) -> dict[str, str]:
        """The parameters of the path."""
        found: dict[str, str] = self.request.scope["path_params"]
        return found

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query string."""
        return queries.parse(self.request.scope["query_string"])

    async def body(self) -> bytes:
        """Return the body within the call's limit; raise `Unsupported` or `TooLarge`."""
        return await bodies.read_bytes(self.request, self.operation.most_bytes)

    async def members(self, *, unique: bool = False) -> bodies.Members:
        """Return the encoded members of the JSON object in the body; `unique` refuses repeated keys."""
        return bodies.read_members(await self.body(), unique=unique)

    @asynccontextmanager
    async def or_missing(self, look_up: Callable[[], Any]) -> AsyncIterator[None]:
        """Prefer a 404: when the input inside is refused, look the thing up before saying so."""
        try:
            yield
        except (Invalid, Unsupported, TooLarge):
            await look_up()
            raise


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
