"""An authenticated and authorized request, as its handler sees it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from diglot.api.input import query_string, request_body
from diglot.api.input.contacts import LocalTime
from diglot.api.input.query_string import QueryReader
from diglot.api.input.request import Request
from diglot.api.operation import Operation
from diglot.api.responses import ANSWER_ROOM, EXTRA_HEADERS, AnswerRoom
from diglot.computations import compute
from diglot.errors import ContentTooLarge, DiglotError, InvalidInput, ServerBusy, UnsupportedMediaType
from diglot.model.contacts import Contact
from diglot.model.workspaces import Caller
from diglot.request_record import record_of
from diglot.service.parts import Checkpoint
from diglot.service.services import Services
from diglot.storage.sql.engine import Transaction

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")
SERVICES: Final = "services"
# Reading or hashing a shorter body takes less than a millisecond.
SHORT_BYTES: Final = 65_536
# Checking the rules of a longer object, and building their SQL, may take more than 1 ms.
SHORT_OBJECT: Final = 1_024
# Converting and encoding contacts with more characters of attributes takes more than 1 ms.
SHORT_CONTACTS: Final = 262_144


class Call(msgspec.Struct):
    """A request with a valid key that has the required scope.

    It is not frozen, because making a frozen one costs every request 1 us; nobody changes it.
    """

    request: Request
    operation: Operation
    caller: Caller
    services: Services
    preread_body: bytes | None = None
    # Where a write in parts keeps its progress; None without an idempotency key.
    checkpoint: Checkpoint | None = None
    # Returns what was read of the body ahead, or raises what was wrong with it.
    input_ahead: Callable[[], Any] | None = None
    # The bytes that an answer takes while it is made, if it is too long to encode it on the event loop.
    long_bytes: int = 0

    def in_transaction(self, transaction: Transaction, body: bytes) -> "Call":
        """Return the call bound to an open transaction, with the body that was read before."""
        return replace(self, services=self.services.in_transaction(transaction), preread_body=body)

    def with_checkpoint(self, checkpoint: Checkpoint, body: bytes) -> "Call":
        """Return the call of a write in parts that may be a retry, with the body that was read before."""
        return replace(self, checkpoint=checkpoint, preread_body=body)

    async def read_ahead(self, read: Callable[["Call", bytes], object], body: bytes) -> "Call":
        """Return the call with what a function reads of its body; a long one is read on another thread."""
        work = partial(_read_ahead, read, self, body)
        # On the thread of units, because files of other requests may be read for seconds on the other one.
        ahead = work() if len(body) <= SHORT_OBJECT else await compute(work, in_unit=True)
        return replace(self, input_ahead=ahead)

    async def read_input(self, read: Callable[["Call", bytes], T]) -> T:
        """Return what a function reads of the body, which may have been read ahead."""
        body = await self.read_body()
        found: T = read(self, body) if self.input_ahead is None else self.input_ahead()
        return found

    async def run_in_thread(self, work: Callable[[], T], size: int = SHORT_BYTES) -> T:
        """Run work on `size` bytes in a separate thread, unless it is short."""
        return work() if size < SHORT_BYTES else await compute(work)

    async def show_contacts(self, contacts: Sequence[Contact], show: Callable[[Contact], S]) -> list[S]:
        """Return contacts in a dialect's shape; long ones are converted and encoded on another thread.

        Raise `ServerBusy` if there is no room for a long answer, before it is made.
        """
        characters = sum(len(contact.attributes) for contact in contacts)
        if characters <= SHORT_CONTACTS:
            return list(map(show, contacts))
        room: AnswerRoom = self.request.scope[ANSWER_ROOM]
        # The contacts and their encoded form.
        if not room.take_for(self.request.scope, 2 * characters):
            raise ServerBusy
        self.long_bytes = 2 * characters
        # On the thread of units, as in `read_ahead`.
        return await compute(lambda: list(map(show, contacts)), in_unit=True)

    def release(self) -> None:
        """Give back the room in which a long answer was made; sending it takes room of its own."""
        if self.long_bytes:
            self.request.scope[ANSWER_ROOM].give_back_for(self.request.scope, self.long_bytes)

    @property
    def local_time(self) -> LocalTime:
        """The time zone of the workspace and the present instant, for reading contacts."""
        return LocalTime(self.caller.zone, self.services.contacts.clock())

    @property
    def path_parameters(self) -> dict[str, str]:
        """The parameters of the path."""
        found: dict[str, str] = self.request.scope["path_params"]
        return found

    def open_query(self) -> QueryReader:
        """Return a reader of the query string; raise `InvalidInput` for a parameter with two values."""
        assert self.operation.query is not None
        known = self.operation.query.__struct_encode_fields__
        return QueryReader(query_string.parse_query(self.request.scope["query_string"], known))

    def read_query(self, struct: type[S], *first: str) -> S:
        """Read the query by the struct that documents it; raise `InvalidInput` with all faults.

        Faults of the fields in `first` come first.
        """
        assert struct is self.operation.query
        reader = self.open_query()
        if first:
            reader.read(struct, *first)
        query = reader.read(struct)
        reader.raise_faults()
        return query

    def add_header(self, name: bytes, value: bytes) -> None:
        """Add a header to the response."""
        self.request.scope[EXTRA_HEADERS].append((name, value))

    def note_rows(self, created: int, updated: int, skipped: int, rejected: int) -> None:
        """Note what became of the rows of an import, for metrics and for the log."""
        record = record_of(self.request.scope)
        record.rows = {"created": created, "updated": updated, "skipped": skipped, "rejected": rejected}

    def note_received(self, outcome: str) -> None:
        """Note what became of a webhook of a vendor, for metrics."""
        record_of(self.request.scope).received = outcome

    async def read_body(self) -> bytes:
        """Return the body within the call's limit; raise `UnsupportedMediaType` or `ContentTooLarge`."""
        if self.preread_body is not None:
            return self.preread_body
        self.check_headers()
        return await request_body.read_bytes(self.request, self.operation.max_bytes)

    async def read_optional_body(self) -> bytes:
        """Return the body of a call that does not require one; an empty body may have any media type."""
        try:
            return await self.read_body()
        except UnsupportedMediaType:
            if await request_body.is_empty(self.request):
                return b""
            raise

    def check_headers(self) -> None:
        """Raise `UnsupportedMediaType` or `ContentTooLarge` if the headers alone show it."""
        request_body.check_headers(self.request, self.operation.max_bytes, self.operation.media_types)

    async def read_object(self, *, unique_keys: bool = False) -> request_body.RawObject:
        """Return the encoded members of the JSON object in the body; `unique_keys` rejects repeated keys."""
        body = await self.read_body()
        if len(body) > SHORT_OBJECT and self.preread_body is None:
            await self.services.loop_turns.take()
        return request_body.parse_object(body, unique_keys=unique_keys)

    @asynccontextmanager
    async def not_found_first(self, look_up: Callable[[], Any]) -> AsyncIterator[None]:
        """Prefer a 404: if the block rejects the input, look the resource up before the error is raised."""
        try:
            yield
        except (InvalidInput, UnsupportedMediaType, ContentTooLarge):
            await look_up()
            raise


def _read_ahead(read: Callable[[Call, bytes], object], call: Call, body: bytes) -> Callable[[], Any]:
    """Return what gives or raises what reading the body gave or raised."""
    try:
        value = read(call, body)
    except DiglotError as error:
        return partial(_raise, error)
    return lambda: value


def _raise(error: DiglotError) -> Any:
    raise error
