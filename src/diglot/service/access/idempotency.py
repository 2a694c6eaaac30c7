"""Idempotency: executes a retried request once and replays the first response.

The request and its stored response are one transaction, so neither exists without the other. Concurrent
requests with the same idempotency key wait for the lock of the workspace; the first is executed, the others
find its response.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.errors import IdempotencyKeyReused
from diglot.membership.compile_ahead import compile_ahead
from diglot.membership.store import MAX_CLOCK_SKEW
from diglot.model.workspaces import Caller
from diglot.storage.access import idempotent_responses
from diglot.storage.access.idempotent_responses import StoredResponse
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace

log = logging.getLogger("diglot")
_SECOND: Final = 1_000_000
# How long an idempotency key is valid, and how long an equal request without one counts as a retry.
KEY_TTL_SECONDS: Final = 24 * 60 * 60
RETRY_WINDOW_SECONDS: Final = 10
CLEANUP_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
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
    def ttl_seconds(self) -> int:
        """How long its response is stored."""
        return RETRY_WINDOW_SECONDS if self.idempotency_key is None else KEY_TTL_SECONDS


@dataclass(frozen=True, slots=True)
class Completed:
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
        await compile_ahead(self.engine, request.caller.workspace)
        return await self.engine.write(lock_workspace(request.caller.workspace, self.clock, work))

    async def delete_expired(self) -> None:
        """Delete responses older than a day in every workspace, because they contain contacts."""
        before = self.clock() - KEY_TTL_SECONDS * _SECOND
        for workspace in await self.engine.read(
            lambda tx: idempotent_responses.list_workspaces_with_old(tx, before)
        ):
            delete = partial(idempotent_responses.delete_old, before=before)
            await self.engine.write(bind_workspace(workspace, delete))

    @asynccontextmanager
    async def clean_up_periodically(self) -> AsyncIterator[None]:
        """Delete expired responses once an hour inside the block, even if no requests arrive."""
        task = asyncio.create_task(self._clean_up_forever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _clean_up_forever(self) -> None:
        while True:
            try:
                await self.delete_expired()
            except Exception:
                log.exception("cannot delete expired idempotent responses")
            await asyncio.sleep(CLEANUP_SECONDS)


async def _run_once(
    unit: WriteUnit, request: IdempotentRequest, perform: Callable[[Transaction], Awaitable[Completed]]
) -> Completed:
    now = unit.now
    row_key = (request.caller.key, request.storage_key)
    stored = await idempotent_responses.find(unit, *row_key)
    if stored is not None and await _can_replay(unit, request, stored, now):
        if stored.fingerprint != request.fingerprint:
            raise IdempotencyKeyReused
        return Completed(stored.status, stored.body, stored.created_id, is_replay=True)
    completed = await perform(unit.transaction)
    response = StoredResponse(
        request.fingerprint, completed.status, completed.body, completed.created_id, now
    )
    await idempotent_responses.delete_old(unit, now - KEY_TTL_SECONDS * _SECOND)
    await idempotent_responses.store(unit, *row_key, response)
    return completed


async def _can_replay(tenant: Tenant, request: IdempotentRequest, stored: StoredResponse, now: int) -> bool:
    # Clocks of several servers differ, so the response may seem to come from the future.
    if not now - request.ttl_seconds * _SECOND < stored.stored_at <= now + MAX_CLOCK_SKEW:
        return False
    if request.idempotency_key is not None:
        return True
    # If the segment was deleted since, this is a new request, not a retry.
    created_id = stored.created_id
    return created_id is not None and await segments.find_by_id(tenant, created_id) is not None
