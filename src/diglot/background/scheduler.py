"""Schedules background work: ticks of the workspace clocks, and tasks of workspaces and segments.

A process does the work of the workspaces in the shares that it holds.
"""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from diglot.background.first_evaluation import FirstEvaluation
from diglot.background.retention import Retention
from diglot.background.verification import Verification
from diglot.errors import Unavailable
from diglot.membership.writer import tick
from diglot.storage.background import due_work
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.background.part_search import is_of_node
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.sweeps import share_of
from diglot.storage.tenant import bind_workspace

# The kind of task, the workspace, and for some kinds the segment.
TaskName = tuple[str, int] | tuple[str, int, int]
log = logging.getLogger("diglot.background")
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
# A clock that was set less than this ago is not ticked.
TICK_INTERVAL: Final = 10 * SECOND
# Pending segments are looked for at this interval, not between any two steps of other tasks.
EVALUATION_INTERVAL: Final = 5 * SECOND
# A failed task is postponed, so that it does not block others. A segment that was updated during its
# evaluation is postponed too, because more updates may follow.
RETRY_DELAY: Final = 10 * MINUTE
REEVALUATION_DELAY: Final = 5 * SECOND
_TICK: Final = "tick"
# Pause after a step, as a multiple of the time the step took. A first evaluation does not pause, because each
# read of a pending segment costs a scan; verification is not urgent.
_NO_PAUSE: Final = 0.0
_EQUAL_PAUSE: Final = 1.0
_LONG_PAUSE: Final = 4.0


class Task(msgspec.Struct, frozen=True):
    """A task that runs in steps of one or two transactions; a step returns whether another may follow."""

    name: TaskName
    step: Callable[[], Coroutine[Any, Any, bool]]
    pause_ratio: float

    @property
    def workspace(self) -> int:
        """The number of the workspace."""
        return self.name[1]

    @property
    def share(self) -> int:
        """The share of the workspace."""
        return share_of(self.workspace)


@dataclass(slots=True)
class _TaskQueue:
    """Tasks of one kind, searched for at an interval."""

    kind: str
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

    def follow(self, held: frozenset[int], *, look_again: bool) -> None:
        """Drop the tasks of shares that this process no longer holds."""
        self.waiting = deque(task for task in self.waiting if task.share in held)
        if look_again:
            self.refilled_at = None


class Scheduler:
    """The background work of a process; `verify_every_hours` of 0 disables verification.

    `on_evaluation` gets the outcome of each first evaluation (`stored`, `superseded` by an update meanwhile,
    or `failed`) and its seconds.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        *,
        verify_every_hours: int = 24,
        history_days: int = 30,
        on_evaluation: Callable[[str, float], None] = lambda outcome, seconds: None,
    ) -> None:
        engine, clock = sweeper.engine, sweeper.clock
        self._engine = engine
        self._clock = clock
        self._verify_interval = verify_every_hours * HOUR
        self._sweeper = sweeper
        self._held: frozenset[int] = frozenset()
        self._share_in_use: int | None = None
        self._first_evaluation = FirstEvaluation(engine, clock)
        self._on_evaluation = on_evaluation
        self._verification = Verification(engine, clock)
        self._retention = Retention(engine, history_days, clock)
        self._postponed_until: dict[TaskName, int] = {}
        # In order of priority.
        self._queues = (
            _TaskQueue("evaluate", EVALUATION_INTERVAL, self._find_evaluations),
            _TaskQueue("compact", MINUTE, self._find_compactions),
            _TaskQueue("expire", HOUR, self._find_expirations),
            *([_TaskQueue("verify", MINUTE, self._find_verifications)] if verify_every_hours else []),
        )

    async def advance_clocks(self) -> None:
        """Tick the clocks of the workspaces where time changes a stored membership."""
        now = self._clock()
        look = partial(due_work.list_due_workspaces, now=now, rested=now - TICK_INTERVAL)
        for workspace in await self._sweeper.find(_TICK, look):
            if not self._sweeper.holds(workspace) or self._sweeper.passes_over(_TICK, workspace):
                continue
            try:
                step = partial(tick, now=self._clock(), min_interval=TICK_INTERVAL)
                ticking = self._engine.write(bind_workspace(workspace, step))
                await self._sweeper.watch(workspace, ticking)
            except Exception as error:  # noqa: BLE001 - the other clocks go on
                await self._sweeper.require_answer(error)
                await self._sweeper.pass_over(_TICK, workspace, error)

    @property
    def share_in_use(self) -> int | None:
        """The share of the task whose step runs now."""
        return self._share_in_use

    async def run_next_step(self) -> float | None:
        """Run the next step of the first task; return its pause ratio, or None if there is no task."""
        now = self._clock()
        self._follow_shares()
        for queue in self._queues:
            await self._refill(queue, now)
            while queue.waiting:
                task = queue.waiting.popleft()
                if self._may_run(task, now):
                    self._postponed_until.pop(task.name, None)
                    if await self._run_task(task):
                        queue.waiting.appendleft(task)
                    return task.pause_ratio
        return None

    def _may_run(self, task: Task, now: int) -> bool:
        is_away = self._sweeper.passes_over(task.name[0], task.workspace)
        is_held = task.share in self._sweeper.held()
        return is_held and not is_away and self._postponed_until.get(task.name, 0) <= now

    def _follow_shares(self) -> None:
        held = self._sweeper.held()
        if held != self._held:
            for queue in self._queues:
                queue.follow(held, look_again=not held <= self._held)
            self._held = held

    async def _refill(self, queue: _TaskQueue, now: int) -> None:
        try:
            await queue.refill(now)
        except Exception as error:  # noqa: BLE001 - the other queues go on
            await self._sweeper.require_answer(error)
            self._sweeper.warn(queue.kind, "cannot look for tasks", error)

    async def _run_task(self, task: Task) -> bool:
        self._share_in_use = task.share
        try:
            return await self._sweeper.watch(task.workspace, task.step())
        except Unavailable as error:
            self._postponed_until[task.name] = self._clock() + REEVALUATION_DELAY
            if is_of_node(error):
                await self._sweeper.require_answer(error)
                await self._sweeper.pass_over(task.name[0], task.workspace, error)
            return False
        except Exception as error:  # noqa: BLE001 - the other tasks go on
            self._sweeper.warn(task.name[0], f"cannot {task.name[0]} {task.name[1:]}", error)
            self._postponed_until[task.name] = self._clock() + RETRY_DELAY
            return False
        finally:
            self._share_in_use = None

    async def _find_evaluations(self) -> Sequence[Task]:
        async def step(place: SegmentKey) -> bool:
            if not await self._evaluate(place):
                self._postponed_until[_task_name("evaluate", place)] = self._clock() + REEVALUATION_DELAY
            return False

        segment_keys = await self._sweeper.find("evaluate", due_work.list_pending_segments)
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
        look = partial(due_work.list_unverified_segments, before=before)
        segment_keys = await self._sweeper.find("verify", look)
        return [_segment_task("verify", segment_key, step, _LONG_PAUSE) for segment_key in segment_keys]

    async def _find_compactions(self) -> Sequence[Task]:
        async def step(workspace: int) -> bool:
            await self._retention.compact(workspace)
            return False

        workspaces = await self._sweeper.find("compact", self._retention.find_long_logs)
        return [
            Task(("compact", workspace), partial(step, workspace), _EQUAL_PAUSE) for workspace in workspaces
        ]

    async def _find_expirations(self) -> Sequence[Task]:
        return [
            Task(("expire", workspace), partial(self._retention.expire_batch, workspace), _EQUAL_PAUSE)
            for workspace in await self._sweeper.list_workspaces("expire")
        ]


def _segment_task(
    verb: str,
    segment_key: SegmentKey,
    step: Callable[[SegmentKey], Coroutine[Any, Any, bool]],
    pause_ratio: float,
) -> Task:
    return Task(_task_name(verb, segment_key), partial(step, segment_key), pause_ratio)


def _task_name(verb: str, segment_key: SegmentKey) -> TaskName:
    return verb, segment_key.workspace, segment_key.segment
