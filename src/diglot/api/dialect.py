"""What the app needs from a dialect, and what a dialect's handlers get from the app."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from posixpath import commonpath
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from diglot.api import query_string, request_body
from diglot.api.operation import Endpoint, Handler, Operation
from diglot.api.responses import EXTRA_HEADERS, Answer, Encoded, Headers, encode
from diglot.api.webhook_message import Message
from diglot.errors import Invalid, TooLarge, Unsupported
from diglot.model.webhooks import Delivery, Webhook
from diglot.model.workspaces import Caller
from diglot.service.access.keys import KeyShape
from diglot.service.access.rate_limits import Allowance, Rate
from diglot.service.services import Services
from diglot.storage.sql.engine import Transaction

T = TypeVar("T")
SERVICES: Final = "services"


@dataclass(frozen=True, slots=True)
class Surface:
    """A prefix of paths with the calls under it, and the error body that its clients read."""

    prefix: str
    endpoints: Sequence[Endpoint]
    render_error: Callable[[Exception], Answer]
    error_body: type[msgspec.Struct]

    def has(self, path: str) -> bool:
        """Tell whether a path lies under the prefix."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A vendor's HTTP vocabulary: `secret` finds the key of a request, `may` tells whether scopes suffice.

    `rate` names what a call is counted with and how often that may be asked; `rate_headers` shows the rest,
    `rate_header_words` documents these headers; `tags` says of what each group of calls is.
    `message` is what goes out to a webhook at an instant.
    The first surface is the one that the vendor's pages document; the others serve clients of other ages.
    """

    name: str
    title: str
    keys: KeyShape
    surfaces: Sequence[Surface]
    secret: Callable[[Request[Any, Any, Any]], str | None]
    may: Callable[[frozenset[str], str], bool]
    rate: Callable[[Operation], tuple[str, Rate]]
    rate_headers: Callable[[Allowance], Headers]
    rate_header_words: Mapping[str, Any]
    message: Callable[[Webhook, Delivery, int], Message]
    tags: Mapping[str, str]
    schemes: dict[str, Any]
    # Which of the schemes suffice, each by itself or together with those beside it.
    security: Sequence[tuple[str, ...]]
    schemas: dict[str, Any]
    description: str
    # Where the document is served, as JSON and as YAML.
    json_at: str
    yaml_at: str
    # Whether a person who is signed in may call it without a key.
    sessions: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of the documented surface."""
        return self.surfaces[0].prefix

    @property
    def base(self) -> str:
        """The longest path that all surfaces share: where the OpenAPI document's server is."""
        return commonpath([surface.prefix for surface in self.surfaces])

    @property
    def calls(self) -> list[tuple[Surface, Operation]]:
        """Every call with its surface."""
        return [(one, endpoint.operation) for one in self.surfaces for endpoint in one.endpoints]


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose key is known and may do what it asks."""

    request: Request[Any, Any, Any]
    operation: Operation
    caller: Caller
    services: Services
    held: bytes | None = None

    def within(self, transaction: Transaction, body: bytes) -> "Call":
        """Return the call inside a transaction in progress, its body read already."""
        return replace(self, services=self.services.within(transaction), held=body)

    async def answered(self, handler: Handler) -> Encoded:
        """Return what a handler answers, as bytes."""
        return Encoded(self.operation.status, encode(await handler(self)))

    async def aside(self, work: Callable[[], T]) -> T:
        """Run what takes long on a thread of its own; a unit of work on SQLite has one already."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return work()
        return await asyncio.to_thread(work)

    @property
    def path(self) -> dict[str, str]:
        """The parameters of the path."""
        found: dict[str, str] = self.request.scope["path_params"]
        return found

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query string."""
        known = () if self.operation.query is None else self.operation.query.__struct_encode_fields__
        return query_string.parse(self.request.scope["query_string"], known)

    def add_header(self, name: bytes, value: bytes) -> None:
        """Have the answer carry a header."""
        self.request.scope[EXTRA_HEADERS].append((name, value))  # type: ignore[typeddict-item]

    async def body(self) -> bytes:
        """Return the body within the call's limit; raise `Unsupported` or `TooLarge`."""
        if self.held is not None:
            return self.held
        self.refuse_unread()
        return await request_body.read_bytes(self.request, self.operation.most_bytes)

    async def body_if_any(self) -> bytes:
        """Return the body of a call that does without; an empty one is of any media type."""
        try:
            return await self.body()
        except Unsupported:
            if await request_body.is_empty(self.request):
                return b""
            raise

    def refuse_unread(self) -> None:
        """Raise `Unsupported` or `TooLarge` for a body whose headers are enough to refuse it."""
        request_body.refuse_unread(self.request, self.operation.most_bytes, self.operation.media)

    async def members(self, *, unique: bool = False) -> request_body.Members:
        """Return the encoded members of the JSON object in the body; `unique` refuses repeated keys."""
        return request_body.read_members(await self.body(), unique=unique)

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
