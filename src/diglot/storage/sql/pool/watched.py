"""An engine that reports slow statements, and lets somebody watch each unit of work.

The report has the SQL without values, because these are personal data.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

import msgspec

from diglot.caches import ProcessCache
from diglot.request_record import RequestRecord, current_request
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import (
    NO_VALUES,
    BoundValues,
    Engine,
    Executable,
    Row,
    Transaction,
    UnitOfWork,
    Usage,
)

T = TypeVar("T")
_NOTHING: Final[AbstractContextManager[object]] = nullcontext()


class SlowStatement(msgspec.Struct, frozen=True):
    """A statement that took long; `request` is None if it was not part of a request."""

    sql: str
    seconds: float
    request: RequestRecord | None


class EngineWatch(msgspec.Struct, frozen=True):
    """Who watches an engine.

    `report` is called on any thread for a statement that took `slow_seconds`. `around_unit` returns the
    context for a unit of a kind, such as `read`; None if nobody watches units.
    """

    slow_seconds: float
    report: Callable[[SlowStatement], None]
    around_unit: Callable[[str], AbstractContextManager[object]] | None = None


class WatchedTransaction:
    """A transaction whose statements are timed."""

    __slots__ = (
        "_inner",
        "_request",
        "_watch",
        "backend",
        "may_write",
        "notify_on_commit",
        "open_units",
        "process_cache",
        "run_off_loop",
    )

    def __init__(self, inner: Transaction, watch: EngineWatch, request: RequestRecord | None) -> None:
        self._inner = inner
        self._watch = watch
        self._request = request
        self.backend: Backend = inner.backend
        self.process_cache: ProcessCache = inner.process_cache
        self.may_write: bool = inner.may_write
        self.open_units: dict[int, Any] = inner.open_units
        self.notify_on_commit = inner.notify_on_commit
        self.run_off_loop = inner.run_off_loop

    async def fetch_all(self, statement: Executable, values: BoundValues = NO_VALUES) -> Sequence[Row]:
        started = time.perf_counter()
        try:
            return await self._inner.fetch_all(statement, values)
        finally:
            self._look_at(statement, started)

    async def fetch_one(self, statement: Executable, values: BoundValues = NO_VALUES) -> Row | None:
        started = time.perf_counter()
        try:
            return await self._inner.fetch_one(statement, values)
        finally:
            self._look_at(statement, started)

    async def execute(self, statement: Executable, values: BoundValues = NO_VALUES) -> None:
        started = time.perf_counter()
        try:
            await self._inner.execute(statement, values)
        finally:
            self._look_at(statement, started)

    async def execute_many(self, statement: Executable, values: Sequence[BoundValues]) -> None:
        started = time.perf_counter()
        try:
            await self._inner.execute_many(statement, values)
        finally:
            self._look_at(statement, started)

    def _look_at(self, statement: Executable, started: float) -> None:
        seconds = time.perf_counter() - started
        if seconds >= self._watch.slow_seconds:
            sql = statement.sql_for(self.backend).text
            self._watch.report(SlowStatement(sql, seconds, self._request))


class WatchedEngine:
    """An engine whose units are watched; everything else is that of the engine inside."""

    def __init__(self, inner: Engine, watch: EngineWatch) -> None:
        self._inner = inner
        self._watch = watch
        self._around_unit = watch.around_unit or (lambda kind: _NOTHING)
        self.backend: Backend = inner.backend
        self.point_reads_are_local: bool = inner.point_reads_are_local
        self.open = inner.open
        self.close = inner.close
        self.on_commit = inner.on_commit
        self.ping = inner.ping
        self.run_off_loop = inner.run_off_loop

    def usage(self) -> Usage:
        return self._inner.usage()

    def in_background(self) -> "WatchedEngine":
        return WatchedEngine(self._inner.in_background(), self._watch)

    async def read(self, work: UnitOfWork[T], *, workspace: int | None = None) -> T:
        with self._around_unit("read"):
            return await self._inner.read(self._watched(work), workspace=workspace)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        with self._around_unit("point_read"):
            return await self._inner.point_read(self._watched(work))

    async def write(self, work: UnitOfWork[T], *, workspace: int | None = None) -> T:
        with self._around_unit("write"):
            return await self._inner.write(self._watched(work), workspace=workspace)

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        with self._around_unit("ephemeral"):
            return await self._inner.run_ephemeral(self._watched(work))

    def _watched(self, work: UnitOfWork[T]) -> UnitOfWork[T]:
        watch, request = self._watch, current_request.get()
        return lambda transaction: work(WatchedTransaction(transaction, watch, request))
