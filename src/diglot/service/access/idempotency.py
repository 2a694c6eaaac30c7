"""Requests that are sent again: done once, answered as the first time.

The first request and what is kept of its answer are one transaction, so that neither is there without the
other. Requests of a workspace queue at its lock: of many at once with one name, the first is done and the
others find its answer.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.errors import Reused
from diglot.model.workspaces import Caller
from diglot.storage import workspaces
from diglot.storage.access import idempotent_responses
from diglot.storage.access.idempotent_responses import Kept
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Engine, Transaction

log = logging.getLogger("diglot")
_SECOND: Final = 1_000_000
# How long a name given by the client holds, and how long a request is taken for a retry of the same one.
NAMED_SECONDS: Final = 24 * 60 * 60
UNNAMED_SECONDS: Final = 10
FORGOTTEN_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may be a repetition: who asks, under which name, and what, hashed.

    Without a name it is known by what it asks, for a short time, while the segment that it made exists.
    """

    caller: Caller
    name: str | None
    fingerprint: str

    @property
    def stored_name(self) -> str:
        """The name that its answer is kept under."""
        return f"same:{self.fingerprint}" if self.name is None else f"name:{self.name}"

    @property
    def seconds(self) -> int:
        """How long its answer is kept."""
        return UNNAMED_SECONDS if self.name is None else NAMED_SECONDS


@dataclass(frozen=True, slots=True)
class Done:
    """What a request was answered: the status, the body, the id of what it made."""

    status: int
    body: bytes
    made: str | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Repeats:
    """Does requests once."""

    engine: Engine
    clock: Clock = system_clock

    async def once(self, request: Request, perform: Callable[[Transaction], Awaitable[Done]]) -> Done:
        """Perform a request, or return what it was answered before.

        Raise `Reused` for another request under the same name. What raises is not kept: it may be sent again.
        """

        async def work(transaction: Transaction) -> Done:
            caller, name = request.caller, request.stored_name
            now = self.clock()
            await workspaces.lock(transaction, caller.workspace, moves=False)
            kept = await idempotent_responses.find(transaction, caller.workspace, caller.key, name)
            if kept is not None and await _holds(transaction, request, kept, now):
                if kept.fingerprint != request.fingerprint:
                    raise Reused
                return Done(kept.status, kept.body, kept.made, repeated=True)
            done = await perform(transaction)
            answer = Kept(request.fingerprint, done.status, done.body, done.made, now)
            await idempotent_responses.forget_old(
                transaction, caller.workspace, now - NAMED_SECONDS * _SECOND
            )
            await idempotent_responses.keep(transaction, caller.workspace, caller.key, name, answer)
            return done

        return await self.engine.write(work)

    async def forget_old(self) -> None:
        """Forget what was answered more than a day ago, in every workspace: it holds contacts."""
        before = self.clock() - NAMED_SECONDS * _SECOND
        for workspace in await self.engine.read(
            lambda tx: idempotent_responses.workspaces_with_old(tx, before)
        ):
            await self.engine.write(
                partial(idempotent_responses.forget_old, workspace=workspace, before=before)
            )

    @asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Forget once an hour inside the block, also where no request comes that would."""
        task = asyncio.create_task(self._keep_forgetting())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_forgetting(self) -> None:
        while True:
            try:
                await self.forget_old()
            except Exception:
                log.exception("old answers cannot be forgotten")
            await asyncio.sleep(FORGOTTEN_SECONDS)


async def _holds(transaction: Transaction, request: Request, kept: Kept, now: int) -> bool:
    if not now - request.seconds * _SECOND < kept.made_at <= now:
        return False
    if request.name is not None:
        return True
    # Whoever made a segment, deleted it and makes it again wants it again.
    made = kept.made
    return made is not None and await segments.by_id(transaction, request.caller.workspace, made) is not None
