"""A request whose key is known, and what its handler reads of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from litestar import Request

from diglot.api.input import query_string, request_body
from diglot.api.operation import Operation
from diglot.api.responses import EXTRA_HEADERS
from diglot.errors import Invalid, TooLarge, Unsupported
from diglot.model.workspaces import Caller
from diglot.service.services import Services
from diglot.storage.sql.engine import Transaction

T = TypeVar("T")
SERVICES: Final = "services"


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
        return replace(self, services=self.services.in_transaction(transaction), held=body)

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
