"""An engine as background work sees it."""

from typing import TypeVar

from diglot.storage.sql.engine import (
    BACKGROUND,
    SHORT_BACKGROUND,
    BoundValues,
    Engine,
    Executable,
    Row,
    UnitOfWork,
)

T = TypeVar("T")


class BackgroundEngine:
    """An engine as background work sees it; the engine behind it recognizes the work by its key."""

    sees_commits_only = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.backend = engine.backend
        self.process_cache = engine.process_cache
        self.point_reads_are_local = engine.point_reads_are_local
        self.request_counters = engine.request_counters
        self.commit_mark = engine.commit_mark
        self.open, self.close, self.on_commit = engine.open, engine.close, engine.on_commit
        self.ping, self.usage = engine.ping, engine.usage
        self.point_read, self.run_ephemeral = engine.point_read, engine.run_ephemeral
        self.run_off_loop = engine.run_off_loop

    def in_background(self) -> "BackgroundEngine":
        return self

    async def fetch_point(self, statement: Executable, values: BoundValues) -> Row | None:
        row: Row | None = await self.point_read(lambda transaction: transaction.fetch_one(statement, values))
        return row

    async def read(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        del workspace
        return await self._engine.read(work, workspace=_turn_of(seconds), seconds=seconds)

    async def write(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        del workspace
        return await self._engine.write(work, workspace=_turn_of(seconds), seconds=seconds)


def _turn_of(seconds: float | None) -> int:
    return BACKGROUND if seconds is None else SHORT_BACKGROUND
