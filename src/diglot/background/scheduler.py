"""Upkeep: what a server does by itself. Stored memberships follow time, and what is due is done in its turn.

Every process looks at the clocks. The rest is done by one process for all, as long as it holds a lease.
"""

import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from diglot.background.first_evaluation import FirstEvaluation
from diglot.background.retention import Retention
from diglot.background.verification import Verification
from diglot.clock import Clock, system_clock
from diglot.membership.writer import tick
from diglot.storage.background import due_work, leases
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.sql.engine import Engine, EphemeralBusyError

TaskName = tuple[str | int, ...]
log = logging.getLogger("diglot.background")
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
# A clock that somebody has just set is left alone.
TICK_INTERVAL: Final = 10 * SECOND
# A process that dies leaves its lease, and another goes on when it has run out.
LEASE_DURATION: Final = 45 * SECOND
# What failed is not tried again for a while, so that it holds up nothing else; nor is a segment evaluated
# again at once that somebody changed, as they may go on.
RETRY_DELAY: Final = 10 * MINUTE
REEVALUATION_DELAY: Final = 5 * SECOND
_LEASE_NAME: Final = "background"
# How many times as long as a step took the worker rests after it. A segment that is evaluated when it is
# read costs every reader a scan; verifying is in no hurry.
_NO_PAUSE: Final = 0.0
_EQUAL_PAUSE: Final = 1.0
_LONG_PAUSE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do by steps; a step is a transaction or two and says whether there may be another."""

    name: TaskName
    step: Callable[[], Awaitable[bool]]
    pause_ratio: float


@dataclass(slots=True)
class _TaskQueue:
    """Chores of a kind, looked for so often."""

    interval: int
    find_tasks: Callable[[], Awaitable[Sequence[Task]]]
    waiting: deque[Task] = field(default_factory=deque)
    refilled_at: int | None = None

    async def refill(self, now: int) -> None:
        """Look for more when nothing waits and it is time; a clock that was set back makes it so."""
        rests = self.refilled_at is not None and self.refilled_at <= now < self.refilled_at + self.interval
        if not self.waiting and not rests:
            self.refilled_at = now
            self.waiting.extend(await self.find_tasks())


class Scheduler:
    """The background work of a process. With 0 `verify_every_hours` nothing is verified."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock = system_clock,
        *,
        verify_every_hours: int = 24,
        history_days: int = 30,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._verify_interval = verify_every_hours * HOUR
        self._lease_holder = secrets.token_hex(8)
        self._first_evaluation = FirstEvaluation(engine, clock)
        self._verification = Verification(engine, clock)
        self._retention = Retention(engine, history_days, clock)
        self._postponed_until: dict[TaskName, int] = {}
        # The first that has something to do is served first.
        self._queues = (
            _TaskQueue(0, self._find_evaluations),
            _TaskQueue(MINUTE, self._find_compactions),
            _TaskQueue(HOUR, self._find_expirations),
            *([_TaskQueue(MINUTE, self._find_verifications)] if verify_every_hours else []),
        )

    async def advance_clocks(self) -> None:
        """Do to stored memberships what time did, workspace by workspace."""
        now = self._clock()
        for workspace in await self._engine.read(
            partial(due_work.list_due_workspaces, now=now, rested=now - TICK_INTERVAL)
        ):
            try:
                await self._engine.write(
                    partial(tick, workspace=workspace, now=self._clock(), min_interval=TICK_INTERVAL)
                )
            except Exception:
                log.exception("cannot advance the clock of workspace %d", workspace)

    async def acquire_lease(self) -> bool:
        """Take or keep the lease of the chores; return whether this process is to do them."""
        now = self._clock()
        try:
            return await self._engine.run_ephemeral(
                lambda tx: leases.take(tx, _LEASE_NAME, self._lease_holder, now, now + LEASE_DURATION)
            )
        except EphemeralBusyError:
            return False

    async def release_lease(self) -> None:
        """Give up the lease, so that another process goes on at once."""
        with suppress(EphemeralBusyError):
            await self._engine.run_ephemeral(lambda tx: leases.release(tx, _LEASE_NAME, self._lease_holder))

    async def run_next_step(self) -> float | None:
        """Do a step of what is to be done next, and return how long to rest; None where nothing is."""
        now = self._clock()
        for kind in self._queues:
            await kind.refill(now)
            while kind.waiting:
                chore = kind.waiting.popleft()
                if self._postponed_until.get(chore.name, 0) <= now:
                    self._postponed_until.pop(chore.name, None)
                    if await self._run_task(chore):
                        kind.waiting.appendleft(chore)
                    return chore.pause_ratio
        return None

    async def _run_task(self, chore: Task) -> bool:
        try:
            return await chore.step()
        except Exception:
            log.exception("cannot %s %s", chore.name[0], chore.name[1:])
            self._postponed_until[chore.name] = self._clock() + RETRY_DELAY
            return False

    async def _find_evaluations(self) -> Sequence[Task]:
        async def step(place: SegmentKey) -> bool:
            if not await self._first_evaluation.run(place):
                self._postponed_until[_task_name("evaluate", place)] = self._clock() + REEVALUATION_DELAY
            return False

        found = await self._engine.read(due_work.list_pending_segments)
        return [_segment_task("evaluate", one, step, _NO_PAUSE) for one in found]

    async def _find_verifications(self) -> Sequence[Task]:
        async def step(place: SegmentKey) -> bool:
            await self._verification.verify(place)
            return False

        before = self._clock() - self._verify_interval
        found = await self._engine.read(partial(due_work.list_unverified_segments, before=before))
        return [_segment_task("verify", one, step, _LONG_PAUSE) for one in found]

    async def _find_compactions(self) -> Sequence[Task]:
        async def step(workspace: int) -> bool:
            await self._retention.compact(workspace)
            return False

        found = await self._retention.find_long_logs()
        return [Task(("compact", one), partial(step, one), _EQUAL_PAUSE) for one in found]

    async def _find_expirations(self) -> Sequence[Task]:
        found = await self._engine.read(due_work.list_workspaces)
        return [
            Task(("expire", one), partial(self._retention.expire_batch, one), _EQUAL_PAUSE) for one in found
        ]


def _segment_task(
    what: str, place: SegmentKey, step: Callable[[SegmentKey], Awaitable[bool]], rests: float
) -> Task:
    return Task(_task_name(what, place), partial(step, place), rests)


def _task_name(what: str, place: SegmentKey) -> TaskName:
    return what, place.workspace, place.segment
