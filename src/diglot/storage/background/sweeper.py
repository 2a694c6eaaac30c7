"""Runs sweeps over the shares of this process, and passes over workspaces whose statements fail.

A node of a distributed database that is away fails every statement that reads its workspaces. The others must
not wait for it. So a sweep that fails, although the database answers, is repeated with ever shorter lists of
workspaces. Those that fail alone are passed over for a while.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.errors import DatabaseAway, Unavailable
from diglot.storage import workspaces
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sweeps import ALL_SHARES, Scope, share_of
from diglot.storage.workspaces import IN_DELETION

T = TypeVar("T")
Look = Callable[[Transaction, Scope], Awaitable[Sequence[T]]]
log = logging.getLogger("diglot.background")
# A workspace that failed is passed over for this time. A kind of work has at most one line of log in it.
PASS_OVER: Final = 60_000_000
# So many failures in a row are no fault of single workspaces.
MAX_FAILURES: Final = 64


class Sweeper:
    """The sweeps of a process; `held` returns the shares that it holds."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock = system_clock,
        held: Callable[[], frozenset[int]] = lambda: ALL_SHARES,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.held = held
        # Called when the process holds more shares.
        self.on_gain: Callable[[], None] = lambda: None
        self._passed_over: dict[str, dict[int, int]] = {}
        self._warned_at: dict[str, int] = {}
        self._unlogged: dict[str, int] = {}

    def holds(self, workspace: int) -> bool:
        """Tell whether a workspace belongs to a share of this process."""
        return share_of(workspace) in self.held()

    async def find(self, work: str, look: Look[T]) -> Sequence[T]:
        """Return what a sweep finds in the workspaces of this process; `work` names the kind of work."""
        shares = self.held()
        if not shares:
            return []
        if not self._find_passed_over(work):
            try:
                return await self.engine.read(lambda tx: look(tx, Scope(shares)))
            except Exception as error:
                if isinstance(error, Unavailable) and not isinstance(error, DatabaseAway):
                    raise
        return await self._find_in_lists(work, look, await self.list_workspaces(work))

    async def list_workspaces(self, work: str) -> list[int]:
        """Return the workspaces of this process without those that are passed over, in order."""
        passed_over = self._find_passed_over(work)
        return sorted(
            one.number
            for one in await self.engine.read(workspaces.list_all)
            if one.time_zone != IN_DELETION and self.holds(one.number) and one.number not in passed_over
        )

    async def require_answer(self, error: Exception) -> None:
        """Raise `Unavailable` if an error means that the whole database cannot be used."""
        if isinstance(error, Unavailable):
            await self.engine.ping()

    def pass_over(self, work: str, workspace: int, error: Exception) -> None:
        """Pass over a workspace for a while, because its work fails."""
        self._passed_over.setdefault(work, {})[workspace] = self.clock()
        self.warn(work, f"workspace {workspace} is passed over for a while", error)

    def warn(self, work: str, message: str, error: Exception) -> None:
        """Log a failure, unless one of its kind of work was logged a moment ago."""
        if self._is_recent(self._warned_at.get(work)):
            self._unlogged[work] = self._unlogged.get(work, 0) + 1
            return
        self._warned_at[work] = self.clock()
        unlogged = self._unlogged.pop(work, 0)
        more = f" ({unlogged} more like this were not logged)" if unlogged else ""
        level, trace = (logging.WARNING, None) if isinstance(error, Unavailable) else (logging.ERROR, error)
        reason = str(error) or type(error).__name__
        log.log(level, "%s: %s: %s%s", work, message, reason, more, exc_info=trace)

    async def _find_in_lists(self, work: str, look: Look[T], listed: Sequence[int]) -> Sequence[T]:
        found: list[T] = []
        parts, failures = [listed] if listed else [], 0
        while parts:
            part = parts.pop()
            try:
                found += await self._read_listed(look, part)
                failures = 0
            except Exception as error:
                failures += 1
                await self.require_answer(error)
                if failures > MAX_FAILURES:
                    raise
                if len(part) == 1:
                    self.pass_over(work, part[0], error)
                parts += _halve(part)
        return found

    async def _read_listed(self, look: Look[T], part: Sequence[int]) -> Sequence[T]:
        return await self.engine.read(lambda tx: look(tx, Scope(listed=part)))

    def _find_passed_over(self, work: str) -> Iterable[int]:
        passed_over = self._passed_over.get(work, {})
        kept = {one: since for one, since in passed_over.items() if self._is_recent(since)}
        self._passed_over[work] = kept
        return kept

    def _is_recent(self, since: int | None) -> bool:
        # A clock that was set back must not make this last.
        return since is not None and since <= self.clock() < since + PASS_OVER


def _halve(part: Sequence[int]) -> Sequence[Sequence[int]]:
    half = len(part) // 2
    return (part[half:], part[:half]) if half else ()
