"""Idempotency: executes a retried request once and replays the first response.

The request and its stored response are one transaction, so neither exists without the other. Concurrent
requests with the same idempotency key wait for the lock of the workspace; the first is executed, the others
find its response.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import IdempotencyKeyReused
from diglot.membership.index_ahead import index_ahead
from diglot.membership.store import MAX_CLOCK_SKEW
from diglot.model.workspaces import Caller
from diglot.service.parts import Checkpoint
from diglot.storage.access import idempotent_responses
from diglot.storage.access.idempotent_responses import IN_PROGRESS, KEY_TTL_SECONDS, StoredResponse
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace

_SECOND: Final = 1_000_000
# How long an equal request without an idempotency key counts as a retry.
RETRY_WINDOW_SECONDS: Final = 10


class IdempotentRequest(msgspec.Struct, frozen=True):
    """A request that may be a retry: its caller, its idempotency key, and a fingerprint of its content.

    Without an idempotency key the fingerprint identifies it, for a short time and only while the segment that
    it created exists.
    """

    caller: Caller
    idempotency_key: str | None
    fingerprint: str

    @property
    def storage_key(self) -> str:
        """The key under which its response is stored."""
        return f"same:{self.fingerprint}" if self.idempotency_key is None else f"name:{self.idempotency_key}"

    @property
    def row_key(self) -> tuple[str, str]:
        """The key of its row in the workspace: API key and storage key."""
        return self.caller.key, self.storage_key

    @property
    def ttl_seconds(self) -> int:
        """How long its response is stored."""
        return RETRY_WINDOW_SECONDS if self.idempotency_key is None else KEY_TTL_SECONDS


class Completed(msgspec.Struct, frozen=True):
    """The response of a request: the status, the body, the id of the created resource."""

    status: int
    body: bytes
    created_id: str | None = None
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The use case of idempotency: executes requests once."""

    engine: Engine
    clock: Clock = system_clock

    async def run_once(
        self, request: IdempotentRequest, perform: Callable[[Transaction], Awaitable[Completed]]
    ) -> Completed:
        """Execute a request, or return its stored response.

        Raise `IdempotencyKeyReused` for a different request with the same key. A request that raises is not
        stored, so it can be retried.
        """
        work = partial(_run_once, request=request, perform=perform)
        workspace = request.caller.workspace
        await index_ahead(self.engine, workspace)
        return await self.engine.write(lock_workspace(workspace, self.clock, work), workspace=workspace)

    async def run_in_parts(
        self, request: IdempotentRequest, perform: Callable[[Checkpoint], Awaitable[Completed]]
    ) -> Completed:
        """Execute a request that writes in parts, or what is left of it, or return its stored response.

        Raise `IdempotencyKeyReused` for a different request with the same key. The progress of a request that
        raises is stored, so a retry executes the rest.
        """
        workspace = request.caller.workspace
        find = partial(_find, request=request, now=self.clock())
        stored = await self.engine.point_read(bind_workspace(workspace, find))
        if stored is not None and not stored.is_in_progress:
            return _replay(stored)
        try:
            completed = await perform(_StoredProgress(request))
        except _CompletedMeanwhile as other:
            return _replay(other.response)

        work = partial(_complete, request=request, completed=completed)
        return await self.engine.write(lock_workspace(workspace, self.clock, work), workspace=workspace)


class _CompletedMeanwhile(Exception):
    """Another request with the same idempotency key has written the last part and stored its response."""

    def __init__(self, response: StoredResponse) -> None:
        self.response = response
        super().__init__()


@dataclass(frozen=True, slots=True)
class _StoredProgress:
    """A checkpoint that keeps the progress of a request in place of its response."""

    request: IdempotentRequest

    async def load(self, unit: WriteUnit) -> bytes | None:
        stored = await _find(unit, self.request, unit.now)
        if stored is not None and not stored.is_in_progress:
            raise _CompletedMeanwhile(stored)
        return None if stored is None else stored.body

    async def save(self, unit: WriteUnit, progress: bytes) -> None:
        await _store(unit, self.request, Completed(IN_PROGRESS, progress))


async def _run_once(
    unit: WriteUnit, request: IdempotentRequest, perform: Callable[[Transaction], Awaitable[Completed]]
) -> Completed:
    stored = await _find(unit, request, unit.now)
    if stored is not None:
        return _replay(stored)
    return await _complete_new(unit, request, await perform(unit.transaction))


async def _complete(unit: WriteUnit, request: IdempotentRequest, completed: Completed) -> Completed:
    """Store the response of a write in parts, or return the one that another request has stored."""
    stored = await _find(unit, request, unit.now)
    if stored is not None and not stored.is_in_progress:
        return _replay(stored)
    return await _complete_new(unit, request, completed)


async def _complete_new(unit: WriteUnit, request: IdempotentRequest, completed: Completed) -> Completed:
    before = unit.now - KEY_TTL_SECONDS * _SECOND
    await idempotent_responses.delete_old(unit, before)
    await _store(unit, request, completed)
    return completed


def _replay(stored: StoredResponse) -> Completed:
    return Completed(stored.status, stored.body, stored.created_id, is_replay=True)


async def _store(unit: WriteUnit, request: IdempotentRequest, completed: Completed) -> None:
    response = StoredResponse(
        request.fingerprint, completed.status, completed.body, completed.created_id, unit.now
    )
    await idempotent_responses.store(unit, *request.row_key, response)


async def _find(tenant: Tenant, request: IdempotentRequest, now: int) -> StoredResponse | None:
    """Return what is stored for a request; raise `IdempotencyKeyReused` for a different request."""
    stored = await idempotent_responses.find(tenant, *request.row_key)
    if stored is None or not await _can_replay(tenant, request, stored, now):
        return None
    if stored.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused
    return stored


async def _can_replay(tenant: Tenant, request: IdempotentRequest, stored: StoredResponse, now: int) -> bool:
    # Clocks of several servers differ, so the response may seem to come from the future.
    if not now - request.ttl_seconds * _SECOND < stored.stored_at <= now + MAX_CLOCK_SKEW:
        return False
    if request.idempotency_key is not None:
        return True
    # If the segment was deleted since, this is a new request, not a retry.
    created_id = stored.created_id
    return created_id is not None and await segments.find_by_id(tenant, created_id) is not None
