"""Schedules background work: ticks of the workspace clocks, and tasks that one process does for all.

Every process ticks overdue clocks. The other tasks run in the one process that holds a lease.
"""

import logging
import secrets
import time
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
from diglot.errors import Unavailable
from diglot.membership.writer import tick
from diglot.storage.background import due_work, leases
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.sql.engine import Engine, EphemeralBusyError
from diglot.storage.tenant import bind_workspace

TaskName = tuple[str | int, ...]
log = logging.getLogger("diglot.background")
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
# A clock that was set less than this ago is not ticked.
TICK_INTERVAL: Final = 10 * SECOND
# If a process dies, its lease expires after this time and another process continues.
LEASE_DURATION: Final = 45 * SECOND
# A failed task is postponed, so that it does not block others. A segment that was updated during its
# evaluation is postponed too, because more updates may follow.
RETRY_DELAY: Final = 10 * MINUTE
REEVALUATION_DELAY: Final = 5 * SECOND
_LEASE_NAME: Final = "background"
# Pause after a step, as a multiple of the time the step took. A first evaluation does not pause, because each
# read of a pending segment costs a scan; verification is not urgent.
_NO_PAUSE: Final = 0.0
_EQUAL_PAUSE: Final = 1.0
_LONG_PAUSE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Task:
    """A task that runs in steps of one or two transactions; a step returns whether another may follow."""

    name: TaskName
    step: Callable[[], Awaitable[bool]]
    pause_ratio: float


@dataclass(slots=True)
class _TaskQueue:
    """Tasks of one kind, searched for at an interval."""

    interval: int
    find_tasks: Callable[[], Awaitable[Sequence[Task]]]
    waiting: deque[Task] = field(default_factory=deque)
    refilled_at: int | None = None

    async def refill(self, now: int) -> None:
        """Look for tasks if none are waiting and the interval is over, or if the clock was set back."""
        within_interval = (
            self.refilled_at is not None and self.refilled_at <= now < self.refilled_at + self.interval
        )
        if not self.waiting and not within_interval:
            self.refilled_at = now
            self.waiting.extend(await self.find_tasks())


class Scheduler:
    """The background work of a process; `verify_every_hours` of 0 disables verification.

    `on_evaluation` gets the outcome of each first evaluation (`stored`, `superseded` by an update meanwhile,
    or `failed`) and its seconds.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock = system_clock,
        *,
        verify_every_hours: int = 24,
        history_days: int = 30,
        on_evaluation: Callable[[str, float], None] = lambda outcome, seconds: None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._verify_interval = verify_every_hours * HOUR
        self._lease_holder = secrets.token_hex(8)
        self._first_evaluation = FirstEvaluation(engine, clock)
        self._on_evaluation = on_evaluation
        self._verification = Verification(engine, clock)
        self._retention = Retention(engine, history_days, clock)
        self._postponed_until: dict[TaskName, int] = {}
        # In order of priority.
        self._queues = (
            _TaskQueue(0, self._find_evaluations),
            _TaskQueue(MINUTE, self._find_compactions),
            _TaskQueue(HOUR, self._find_expirations),
            *([_TaskQueue(MINUTE, self._find_verifications)] if verify_every_hours else []),
        )

    async def advance_clocks(self) -> None:
        """Tick the clocks of the workspaces where time changes a stored membership."""
        now = self._clock()
        for workspace in await self._engine.read(
            partial(due_work.list_due_workspaces, now=now, rested=now - TICK_INTERVAL)
        ):
            try:
                step = partial(tick, now=self._clock(), min_interval=TICK_INTERVAL)
                await self._engine.write(bind_workspace(workspace, step))
            except Unavailable:
                return
            except Exception:
                log.exception("cannot advance the clock of workspace %d", workspace)

    async def acquire_lease(self) -> bool:
        """Acquire or renew the lease on background tasks; return whether this process holds it."""
        now = self._clock()
        try:
            return await self._engine.run_ephemeral(
                lambda tx: leases.take(tx, _LEASE_NAME, self._lease_holder, now, now + LEASE_DURATION)
            )
        except EphemeralBusyError:
            return False

    async def release_lease(self) -> None:
        """Release the lease, so that another process can continue at once."""
        with suppress(EphemeralBusyError):
            await self._engine.run_ephemeral(lambda tx: leases.release(tx, _LEASE_NAME, self._lease_holder))

    async def run_next_step(self) -> float | None:
        """Run the next step of the first task; return its pause ratio, or None if there is no task."""
        now = self._clock()
        for queue in self._queues:
            await queue.refill(now)
            while queue.waiting:
                task = queue.waiting.popleft()
                if self._postponed_until.get(task.name, 0) <= now:
                    self._postponed_until.pop(task.name, None)
                    if await self._run_task(task):
                        queue.waiting.appendleft(task)
                    return task.pause_ratio
        return None

    async def _run_task(self, task: Task) -> bool:
        try:
            return await task.step()
        except Unavailable:
            self._postponed_until[task.name] = self._clock() + REEVALUATION_DELAY
            return False
        except Exception:
            log.exception("cannot %s %s", task.name[0], task.name[1:])
            self._postponed_until[task.name] = self._clock() + RETRY_DELAY
            return False

    async def _find_evaluations(self) -> Sequence[Task]:
        async def step(place: SegmentKey) -> bool:
            if not await self._evaluate(place):
                self._postponed_until[_task_name("evaluate", place)] = self._clock() + REEVALUATION_DELAY
            return False

        segment_keys = await self._engine.read(due_work.list_pending_segments)
        return [_segment_task("evaluate", segment_key, step, _NO_PAUSE) for segment_key in segment_keys]

    async def _evaluate(self, place: SegmentKey) -> bool:
        """Evaluate a segment for the first time, and report it; return whether its members were stored."""
        log.info("segment %d of workspace %d: first evaluation begins", place.segment, place.workspace)
        started, outcome = time.monotonic(), "failed"
        try:
            is_stored = await self._first_evaluation.run(place)
            outcome = "stored" if is_stored else "superseded"
        finally:
            seconds = time.monotonic() - started
            self._on_evaluation(outcome, seconds)
            name = (place.segment, place.workspace)
            log.info("segment %d of workspace %d: first evaluation %s, %.1f s", *name, outcome, seconds)
        return is_stored

    async def _find_verifications(self) -> Sequence[Task]:
        async def step(place: SegmentKey) -> bool:
            await self._verification.verify(place)
            return False

        before = self._clock() - self._verify_interval
        segment_keys = await self._engine.read(partial(due_work.list_unverified_segments, before=before))
        return [_segment_task("verify", segment_key, step, _LONG_PAUSE) for segment_key in segment_keys]

    async def _find_compactions(self) -> Sequence[Task]:
        async def step(workspace: int) -> bool:
            await self._retention.compact(workspace)
            return False

        workspaces = await self._retention.find_long_logs()
        return [
            Task(("compact", workspace), partial(step, workspace), _EQUAL_PAUSE) for workspace in workspaces
        ]

    async def _find_expirations(self) -> Sequence[Task]:
        workspaces = await self._engine.read(due_work.list_workspaces)
        return [
            Task(("expire", workspace), partial(self._retention.expire_batch, workspace), _EQUAL_PAUSE)
            for workspace in workspaces
        ]


def _segment_task(
    verb: str, segment_key: SegmentKey, step: Callable[[SegmentKey], Awaitable[bool]], pause_ratio: float
) -> Task:
    return Task(_task_name(verb, segment_key), partial(step, segment_key), pause_ratio)


def _task_name(verb: str, segment_key: SegmentKey) -> TaskName:
    return verb, segment_key.workspace, segment_key.segment
