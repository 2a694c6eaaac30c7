"""Events that wait for the lock of their workspace: those that arrive meanwhile are recorded together.

A write waits for the writes before it: on PostgreSQL for the row of the workspace, on SQLite for the only
writer. The first event that arrives begins a unit, and all that arrive until it holds the lock join it. So
few events at a time are recorded one by one, and many share the statements that each would need. What
concerns one event alone fails only that one. If the unit itself fails before its commit, each event is tried
alone, because one of them may be the reason.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context, copy_context
from threading import Lock
from typing import Final

import msgspec

from diglot.clock import Clock
from diglot.errors import Unavailable
from diglot.membership.index_ahead import index_ahead
from diglot.model.events import RecordedEvent
from diglot.service.contacts.event_writes import Outcome, ReportedEvent, record_event, record_events
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import Reservation, WriteUnit, lock_workspace, open_unit

# The lock is held for some milliseconds then.
MAX_EVENTS: Final = 16
ONE_EVENT: Final = Reservation(moves_members=True, events=1)


class _WaitingEvent(msgspec.Struct, frozen=True, eq=False):
    """An event, what the request waits for, and the context of the request."""

    reported: ReportedEvent
    future: asyncio.Future[RecordedEvent]
    context: Context

    def finish(self, outcome: RecordedEvent | BaseException) -> None:
        if self.future.done():
            return
        if isinstance(outcome, BaseException):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class _NothingRecordedError(Exception):
    """Rolls back a unit that recorded no event."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes


class EventBatches:
    """The events of each workspace that wait for a unit."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[_WaitingEvent]] = {}
        # A unit of SQLite takes its events in the thread of the writer.
        self._lock = Lock()
        self._tasks = set[asyncio.Task[None]]()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def record(
        self, engine: Engine, clock: Clock, workspace: int, reported: ReportedEvent
    ) -> RecordedEvent:
        """Record an event, and return it when it is durable; raise what makes that impossible."""
        event = _WaitingEvent(reported, asyncio.get_running_loop().create_future(), copy_context())
        with self._lock:
            waiting = self._waiting.get(workspace)
            if waiting is not None:
                waiting.append(event)
            else:
                self._waiting[workspace] = [event]
        if waiting is None:
            self.start(_Batch(self, engine, clock, workspace), event.context)
        return await event.future

    def start(self, batch: "_Batch", context: Context) -> None:
        """Begin a unit for the events that wait; a client that leaves must not end it for the others.

        It runs in the context of the first request, whose operation a slow statement is reported with.
        """
        self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(batch.run(), context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start_soon(self, batch: "_Batch", context: Context) -> None:
        """Begin a unit, from any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.start, batch, context)

    def count(self, workspace: int) -> int:
        """Return how many events wait."""
        return len(self._waiting[workspace])

    def take(self, workspace: int) -> tuple[list[_WaitingEvent], Context | None]:
        """Take the next events, no two of one contact or with one id; return the context of those left."""
        with self._lock:
            waiting = [one for one in self._waiting.pop(workspace) if not one.future.done()]
            taken, left, keys = list[_WaitingEvent](), list[_WaitingEvent](), set[tuple[str, str]]()
            for one in waiting:
                own = _keys_of(one.reported)
                if len(taken) < MAX_EVENTS and keys.isdisjoint(own):
                    taken.append(one)
                else:
                    left.append(one)
                keys |= own
            if left:
                self._waiting[workspace] = left
        return taken, left[0].context if left else None

    def take_all(self, workspace: int) -> list[_WaitingEvent]:
        """Take all events that wait, because the unit for them has failed."""
        with self._lock:
            return self._waiting.pop(workspace)


def _keys_of(reported: ReportedEvent) -> set[tuple[str, str]]:
    """Return what tells that two events are of one contact, or that one repeats the other."""
    ref = reported.contact_ref
    keys = ("id", ref.id), ("email", ref.email), ("source", reported.new_event.source_id)
    return {(kind, value) for kind, value in keys if value is not None}


class _Batch:
    """A unit that records the events of a workspace which wait when it holds the lock."""

    def __init__(self, batches: EventBatches, engine: Engine, clock: Clock, workspace: int) -> None:
        self._batches, self._engine, self._clock, self._workspace = batches, engine, clock, workspace
        self._events: list[_WaitingEvent] | None = None
        self._may_be_committed = False

    async def run(self) -> None:
        """Record the events, and tell the requests what became of them."""
        try:
            for one in await self._finish():
                await self._record_alone(one)
        finally:
            for one in self._require_events():
                one.future.cancel()

    async def _finish(self) -> Sequence[_WaitingEvent]:
        """Record the events together; return those that are to be tried alone."""
        outcomes: Sequence[Outcome | Exception]
        try:
            await index_ahead(self._engine, self._workspace)
            outcomes = await self._engine.write(
                bind_workspace(self._workspace, self._record), workspace=self._workspace
            )
        except _NothingRecordedError as nothing:
            outcomes = nothing.outcomes
        except Exception as error:  # noqa: BLE001 - each waiting request gets it
            outcomes = self._fail(error)
        pairs = list(zip(self._require_events(), outcomes, strict=True))
        for one, outcome in pairs:
            if outcome is not None:
                one.finish(outcome)
        return [one for one, outcome in pairs if outcome is None]

    async def _record(self, tenant: Tenant) -> Sequence[Outcome]:
        expected = self._batches.count(self._workspace)
        async with open_unit(tenant, self._clock, Reservation(moves_members=True, events=expected)) as unit:
            self._events, next_context = self._batches.take(self._workspace)
            if next_context is not None:
                self._batches.start_soon(self._next(), next_context)
            outcomes = await record_events(unit, [one.reported for one in self._events])
            if not any(isinstance(outcome, RecordedEvent) for outcome in outcomes):
                raise _NothingRecordedError(outcomes)
        await tenant.transaction.send_writes()
        # What fails from here on may be the answer to a commit.
        self._may_be_committed = True
        return outcomes

    def _next(self) -> "_Batch":
        """Return a unit for the events that are left."""
        return _Batch(self._batches, self._engine, self._clock, self._workspace)

    def _require_events(self) -> list[_WaitingEvent]:
        """Return the events of the unit, which are those that still wait if it never held the lock."""
        if self._events is None:
            self._events = self._batches.take_all(self._workspace)
        return self._events

    def _fail(self, error: Exception) -> Sequence[Outcome | Exception]:
        """Return the error for each event, or nothing if each is to be tried alone."""
        events = self._require_events()
        is_of_all = isinstance(error, Unavailable) or self._may_be_committed or len(events) == 1
        return [error if is_of_all else None for _ in events]

    async def _record_alone(self, one: _WaitingEvent) -> None:
        """Record an event in a unit of its own."""

        async def record(unit: WriteUnit) -> RecordedEvent:
            return await record_event(unit, one.reported.contact_ref, one.reported.new_event)

        try:
            work = lock_workspace(self._workspace, self._clock, record, ONE_EVENT)
            one.finish(await self._engine.write(work, workspace=self._workspace))
        except Exception as error:  # noqa: BLE001 - the waiting request gets it
            one.finish(error)
