"""The writer of a SQLite file: concurrent requests share a commit (group commit), and workspaces take turns.

With `synchronous=FULL` the sync is most of the cost of a write. FULL is required: it keeps an acknowledged
write through a power cut, which NORMAL does not. Each unit runs in its own savepoint.

A commit takes units of several workspaces by turns, for a bounded time. A workspace that had a long unit a
moment ago has commits of its own, for the same time or, if another workspace or process waits, for one long
unit; a short part among the long ones of an import changes nothing. A short unit that arrives while such a
commit runs, or waits for another process, joins it before the next long unit. So it waits for at most one
long unit of each process, because processes take turns at commits. Beside threads that compute, each
statement waits for the interpreter: a short unit can be slow.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from diglot.errors import DatabaseBusy, Unavailable
from diglot.storage.sql.engine import CommitListener, Limits, PoolUsage, UnitOfWork
from diglot.storage.sql.pool.failures import Failures
from diglot.storage.sql.pool.sqlite.checkpoints import Checkpoints
from diglot.storage.sql.pool.sqlite.failures import OpenFile, explain_error
from diglot.storage.sql.pool.sqlite.process_turns import ProcessTurns
from diglot.storage.sql.pool.sqlite.recent_writes import RecentWrites
from diglot.storage.sql.pool.sqlite.thread import Begin, ConnectionThread
from diglot.storage.sql.pool.sqlite.units import (
    COMMIT_SECONDS,
    LONG_SECONDS,
    Commit,
    Key,
    QueuedWrite,
    run_units,
)
from diglot.storage.sql.pool.turns import SWEEP_SECONDS
from diglot.storage.sql.sqlite_module import sqlite3

T = TypeVar("T")
MAX_UNITS_PER_COMMIT: Final = 256
# The writer waits so long for a lock of another process before it looks again at who gave up waiting.
LOCK_SECONDS: Final = 0.25
# All workspaces that other processes write, as one.
OTHER_PROCESS: Final = -3


class Writer:
    """The queue of the one connection that writes."""

    def __init__(
        self,
        path: Path,
        begin: Begin,
        limits: Limits,
        failures: Failures,
        *,
        forget_uncommitted: Callable[[], None],
    ) -> None:
        self._forget_uncommitted = forget_uncommitted
        self._path, self._begin, self._limits, self._failures = path, begin, limits, failures
        self._queues: dict[Key, deque[QueuedWrite]] = {}
        self._recent, self._recent_long = RecentWrites(), RecentWrites()
        self._turns = ProcessTurns(path, LOCK_SECONDS)
        self._checkpoints = Checkpoints(path)
        # The workspace of the long commit that runs, whether another one waits for its end, the short units
        # that join it, and the workspaces whose last commit only ran these.
        self._alone: tuple[Key] | None = None
        self._is_awaited = False
        self._joining = deque[QueuedWrite]()
        self._gave_way = set[Key]()
        self._thread: ConnectionThread | None = None
        self._file: OpenFile | None = None
        self._drain_task: asyncio.Task[None] | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._committed_at = 0.0
        self._locked_out = False
        self._running = 0
        self._waits, self._wait_seconds = 0, 0.0
        self.commit_listener: CommitListener | None = None

    async def open(self) -> None:
        """Open the connection; raise what the module raises."""
        thread = ConnectionThread(self._path, LOCK_SECONDS)
        await thread
        self._thread, self._file = thread, OpenFile(self._path)
        self._turns.open()

    async def close(self) -> None:
        """Close the connection after the commit that it runs."""
        if self._thread is not None:
            await self._thread.close()
        self._thread = None
        await self._checkpoints.close()
        self._turns.close()

    def check_file(self) -> None:
        """Raise `DatabaseDamaged` if the file was deleted or replaced."""
        assert self._file is not None
        self._file.check()

    def usage(self) -> PoolUsage:
        """Return the figures of the queue; `in_use` is 1 while a commit runs."""
        waiting = sum(map(len, self._queues.values())) + len(self._joining)
        return PoolUsage(1, int(self._running > 0), waiting, self._waits, self._wait_seconds)

    async def run(self, work: UnitOfWork[T], key: Key) -> T:
        """Run a unit for a workspace; it is durable when this returns."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._add(QueuedWrite(work, key, future, loop.time()))
        if self._drain_task is None:
            self._drain_task = asyncio.create_task(self._drain())
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_SECONDS, self._reject_late)
        return await future

    def _add(self, unit: QueuedWrite) -> None:
        """Let a short unit join the long commit of another workspace that runs; add others to a queue."""
        if self._running and self._alone is not None and self._alone != (unit.key,):
            self._is_awaited = True
            if not self._recent_long.has(unit.key, unit.since):
                unit.others_write = True
                self._joining.append(unit)
                return
        queue = self._queues.get(unit.key)
        if queue is None:
            queue = self._queues[unit.key] = deque()
        queue.append(unit)

    async def _drain(self) -> None:
        try:
            while self._queues:
                units = self._take_units()
                self._running = len(units)
                await self._commit(units)
                self._running = 0
                self._end_joining(units)
                if not all(unit.ran for unit in units):
                    self._put_back(units)
                # The timer does not see units while they are tried.
                self._drop_late()
                for unit in units:
                    if unit.ran:
                        self._finish(unit)
                notified = {one for unit in units if unit.error is None for one in unit.notified}
                if notified and self.commit_listener is not None:
                    self.commit_listener(notified)
        finally:
            self._running = 0
            self._drain_task = None

    def _end_joining(self, units: Sequence[QueuedWrite]) -> None:
        """Let no more units join a commit that has ended; those that came too late are for the next one."""
        if units[0].ran:
            self._gave_way.discard(units[0].key)
        elif units[-1].ran:
            self._gave_way.add(units[0].key)
        while self._joining:
            self._add(self._joining.popleft())

    def _take_units(self) -> list[QueuedWrite]:
        """Take the units of the next commit from the queue, by turns."""
        first = next(iter(self._queues))
        if self._alone == (first,) and len(self._queues) > 1:
            # It wrote again before the others, but was served last.
            self._queues[first] = self._queues.pop(first)
            first = next(iter(self._queues))
        now = asyncio.get_running_loop().time()
        is_long = self._recent_long.has(first, now)
        units = list(self._take_long(first) if is_long else self._take_short(now))
        self._alone = (first,) if is_long else None
        self._is_awaited = is_long and len(self._queues) > 1
        for unit in units:
            unit.others_write = self._recent.has_others(unit.key, now)
        for key in dict.fromkeys(unit.key for unit in units):
            # Whoever was served goes to the end of the line.
            if queue := self._queues.pop(key):
                self._queues[key] = queue
        return units

    def _take_long(self, key: Key) -> Iterator[QueuedWrite]:
        queue = self._queues[key]
        for _ in range(min(len(queue), MAX_UNITS_PER_COMMIT)):
            yield queue.popleft()

    def _take_short(self, now: float) -> Iterator[QueuedWrite]:
        short = [queue for key, queue in self._queues.items() if not self._recent_long.has(key, now)]
        taken = 0
        while short:
            for queue in short:
                yield queue.popleft()
                taken += 1
                if taken == MAX_UNITS_PER_COMMIT:
                    return
            short = [queue for queue in short if queue]

    def _put_back(self, units: Sequence[QueuedWrite]) -> None:
        """Put back units that did not run, in their order; workspaces that were not served come first."""
        served = {unit.key for unit in units if unit.ran}
        queues: dict[Key, deque[QueuedWrite]] = {}
        for unit in units:
            if not unit.ran:
                queues.setdefault(unit.key, deque()).append(unit)
        for key, queue in queues.items():
            queue.extend(self._queues.pop(key, ()))
        first = {key: queue for key, queue in queues.items() if key not in served}
        self._queues = {**first, **self._queues, **queues}

    async def _commit(self, units: list[QueuedWrite]) -> None:
        assert self._thread is not None
        assert self._file is not None
        file, begin, turns = self._file, self._begin, self._turns
        commit = Commit(units, self._joining, units[0].key not in self._gave_way, self._should_end)

        def run(thread: ConnectionThread) -> tuple[bool, int]:
            others_wrote = run_units(thread, commit, begin, file, turns)
            return others_wrote, thread.connection.total_changes

        try:
            others_wrote, rows = await self._thread.submit(run)
        except BaseException as error:  # noqa: BLE001 - every waiting request gets it
            if _is_locked(error) and not any(unit.ran for unit in units):
                # Another process writes: wait on, until the units give up.
                self._locked_out = True
                return
            self._forget_uncommitted()
            for unit in units:
                unit.ran, unit.error = True, error
        else:
            self._committed_at = asyncio.get_running_loop().time()
            self._checkpoints.follow(rows)
            if others_wrote:
                self._recent.add(OTHER_PROCESS, self._committed_at)
        self._locked_out = False

    def _should_end(self, seconds: float) -> bool:
        """Return whether a commit runs no further unit after some seconds; called by the thread."""
        if seconds < LONG_SECONDS or seconds >= COMMIT_SECONDS:
            return seconds >= COMMIT_SECONDS
        return self._is_awaited or self._turns.is_awaited()

    def _finish(self, unit: QueuedWrite) -> None:
        now = asyncio.get_running_loop().time()
        self._recent.add(unit.key, now)
        if unit.is_long:
            self._recent_long.add(unit.key, now)
        self._waits += 1
        self._wait_seconds += now - unit.since - unit.seconds
        error = unit.error
        if isinstance(error, sqlite3.Error):
            error = explain_error(error, self._path) or error
        if isinstance(error, Unavailable):
            self._failures.record(error)
        if unit.future.done():
            return
        if error is not None:
            unit.future.set_exception(error)
        else:
            unit.future.set_result(unit.result)

    def _reject_late(self) -> None:
        self._drop_late()
        loop = asyncio.get_running_loop()
        again = bool(self._queues)
        self._sweep = loop.call_later(SWEEP_SECONDS, self._reject_late) if again else None

    def _drop_late(self) -> None:
        """Reject units that waited too long, and forget those whose request is gone."""
        now = asyncio.get_running_loop().time()
        stalled = now - self._committed_at >= self._limits.wait_seconds
        limit = self._limits.wait_seconds if stalled else self._limits.queue_seconds
        for key, queue in list(self._queues.items()):
            kept = deque(unit for unit in queue if not self._reject(unit, now - unit.since >= limit))
            if kept:
                self._queues[key] = kept
            else:
                del self._queues[key]

    def _reject(self, unit: QueuedWrite, is_late: bool) -> bool:
        if unit.future.done():
            return True
        if is_late:
            reason = "another process holds the lock" if self._locked_out else "other writes took too long"
            unit.future.set_exception(
                self._failures.record(DatabaseBusy(f"{str(self._path)!r} was not writable in time: {reason}"))
            )
        return is_late


def _is_locked(error: BaseException) -> bool:
    return isinstance(explain_error(error, Path()), DatabaseBusy)
