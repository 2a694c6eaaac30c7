"""An engine whose units of work are traced; only a process that exports traces has one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import BoundValues, Engine, Executable, Row, UnitOfWork, Usage

T = TypeVar("T")
# Returns the context for a unit of a kind, such as `read`.
AroundUnit = Callable[[str], AbstractContextManager[object]]


class TracedEngine:
    """An engine around another."""

    def __init__(self, inner: Engine, around_unit: AroundUnit) -> None:
        self._inner = inner
        self._around_unit = around_unit
        self.backend: Backend = inner.backend
        self.process_cache = inner.process_cache
        self.point_reads_are_local: bool = inner.point_reads_are_local
        self.sees_commits_only: bool = inner.sees_commits_only
        self.request_counters = inner.request_counters
        self.commit_mark = inner.commit_mark
        self.open = inner.open
        self.close = inner.close
        self.on_commit = inner.on_commit
        self.ping = inner.ping
        self.run_off_loop = inner.run_off_loop

    def usage(self) -> Usage:
        return self._inner.usage()

    def in_background(self) -> "TracedEngine":
        return TracedEngine(self._inner.in_background(), self._around_unit)

    async def read(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        with self._around_unit("read"):
            return await self._inner.read(work, workspace=workspace, seconds=seconds)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        with self._around_unit("point_read"):
            return await self._inner.point_read(work)

    async def fetch_point(self, statement: Executable, values: BoundValues) -> Row | None:
        with self._around_unit("point_read"):
            return await self._inner.fetch_point(statement, values)

    async def write(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        with self._around_unit("write"):
            return await self._inner.write(work, workspace=workspace, seconds=seconds)

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        with self._around_unit("ephemeral"):
            return await self._inner.run_ephemeral(work)
