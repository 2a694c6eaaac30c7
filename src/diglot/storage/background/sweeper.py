"""Runs sweeps over the shares of this process, and passes over nodes and workspaces that fail.

A node of a distributed database that is away, or that hangs, fails every statement that reads its workspaces.
The others must not wait for it. So a sweep that fails, or that is late, although the database answers, is
repeated for the workspaces of each node that answers. Where nodes are not known, it is repeated with ever
shorter lists of workspaces. What fails is passed over for a while, by every kind of work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from diglot.clock import Clock, system_clock
from diglot.errors import DeadlineExceeded, Unavailable
from diglot.storage import workspaces
from diglot.storage.background.nodes import Nodes
from diglot.storage.background.part_search import MAX_LATE, Part, PartSearch, is_of_node
from diglot.storage.background.passed_over import EVERY_KIND, PassedOver
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sweeps import ALL_SHARES, LOOK_SECONDS, Scope, share_of
from diglot.storage.tenant import bind_workspace
from diglot.storage.workspaces import IN_DELETION

T = TypeVar("T")
Look = Callable[[Transaction, Scope], Awaitable[Sequence[T]]]
log = logging.getLogger("diglot.background")


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
        self._nodes = Nodes(engine, clock)
        self._passed_over = PassedOver(clock)
        # Parts that failed, and that later looks halve on.
        self._suspects: list[Part] = []
        self._searching = asyncio.Lock()
        self._warned_at: dict[str, int] = {}
        self._unlogged: dict[str, int] = {}

    def holds(self, workspace: int) -> bool:
        """Tell whether a workspace belongs to a share of this process."""
        return share_of(workspace) in self.held()

    def passes_over(self, work: str, workspace: int) -> bool:
        """Tell whether a kind of work has to leave out a workspace now."""
        is_away = self._passed_over.has_node(self._nodes.recall(workspace))
        return is_away or self._passed_over.has_workspace(work, workspace)

    async def find(self, work: str, look: Look[T]) -> Sequence[T]:
        """Return what a sweep finds in the workspaces of this process; `work` names the kind of work."""
        shares, error = self.held(), None
        if not shares:
            return []
        if self._passed_over.is_empty(work) and not self._suspects:
            try:
                return await self.engine.read(lambda tx: look(tx, Scope(shares)), seconds=LOOK_SECONDS)
            except Exception as raised:
                if isinstance(raised, Unavailable) and not is_of_node(raised):
                    raise
                await self.require_answer(raised)
                error = raised
        # One after another, because each learns from the last which parts fail.
        async with self._searching:
            groups = await self._list_groups(work, has_failed=is_of_node(error))
            return await self._find_in_parts(work, look, self._take_parts(groups))

    async def list_workspaces(self, work: str) -> list[int]:
        """Return the workspaces of this process without those that are passed over, in order."""
        return sorted(one for group in await self._list_groups(work) for one in group)

    async def divide(self, work: str, listed: Iterable[int]) -> list[list[int]]:
        """Return workspaces by their nodes, without those that are passed over."""
        numbers = list(listed)
        # One is not divided, so nobody need know its node.
        divided = {None: numbers} if len(numbers) == 1 else await self._nodes.divide(numbers)
        groups = ([one for one in group if not self.passes_over(work, one)] for group in divided.values())
        return [group for group in groups if group]

    async def watch(self, workspace: int, work: Coroutine[Any, Any, T]) -> T:
        """Run work in a workspace that may take long, and end it if its node does not answer.

        Nothing else would end a statement that waits for a node that hangs.
        """
        running = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({running}, timeout=LOOK_SECONDS))[0]:
                await self._require_node(workspace)
            return running.result()
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running})

    async def require_answer(self, error: Exception) -> None:
        """Raise `Unavailable` if an error means that the whole database cannot be used."""
        if isinstance(error, Unavailable):
            await self.engine.ping()

    async def pass_over(self, work: str, workspace: int, error: Exception) -> None:
        """Pass over a workspace for a while, or the node that has it if that does not answer for others.

        A workspace that is only slow for one kind of work is passed over by that kind.
        """
        node = await self._nodes.find(workspace) if is_of_node(error) else None
        if self._passed_over.has_node(node):
            return
        if node is not None and not await self._answers_for(self._nodes.find_another(node, workspace)):
            self._pass_over_node(work, node, error)
            return
        is_away = is_of_node(error)
        if isinstance(error, DeadlineExceeded):
            is_away = node is None and not await self._answers_for(workspace)
        self._passed_over.add_workspace(EVERY_KIND if is_away else work, workspace)
        self.warn(work, f"workspace {workspace} is passed over for a while", error)

    def warn(self, work: str, message: str, error: Exception) -> None:
        """Log a failure, unless one of its kind of work was logged a moment ago."""
        if self._passed_over.is_recent(self._warned_at.get(work)):
            self._unlogged[work] = self._unlogged.get(work, 0) + 1
            return
        self._warned_at[work] = self.clock()
        unlogged = self._unlogged.pop(work, 0)
        more = f" ({unlogged} more like this were not logged)" if unlogged else ""
        level, trace = (logging.WARNING, None) if isinstance(error, Unavailable) else (logging.ERROR, error)
        reason = str(error) or type(error).__name__
        log.log(level, "%s: %s: %s%s", work, message, reason, more, exc_info=trace)

    async def _list_groups(self, work: str, *, has_failed: bool = False) -> list[list[int]]:
        """Return the workspaces of this process by their nodes, without those that are passed over.

        Nodes are asked whether they answer: all if a sweep failed, else those that were away for a while.
        """
        own = sorted(
            one.number
            for one in await self.engine.read(workspaces.list_all, seconds=LOOK_SECONDS)
            if one.time_zone != IN_DELETION and self.holds(one.number)
        )
        asked = [
            self._ask_node(work, node, group[0])
            for node, group in (await self._nodes.divide(own)).items()
            if node is not None
            and (
                self._passed_over.is_to_be_tried(node)
                or (has_failed and not self._passed_over.has_node(node))
            )
        ]
        await asyncio.gather(*asked)
        return await self.divide(work, own)

    async def _ask_node(self, work: str, node: int, workspace: int) -> None:
        """Ask a node for one of its workspaces, and pass over it if it does not answer."""
        if self._passed_over.has_node(node):
            # Other kinds of work need not ask it meanwhile.
            self._passed_over.add_node(node)
        try:
            await self._require_node(workspace)
        except Unavailable as error:
            await self.require_answer(error)
            self._pass_over_node(work, node, error)
        else:
            self._passed_over.forget_node(node)

    async def _require_node(self, workspace: int) -> None:
        """Raise `DatabaseAway` or `DeadlineExceeded` unless a node answers for a workspace."""
        try:
            await self.engine.read(bind_workspace(workspace, workspaces.touch), seconds=LOOK_SECONDS)
        except Exception as error:
            # Any other error is an answer, or there was no connection to ask it.
            if is_of_node(error):
                raise

    async def _answers_for(self, workspace: int) -> bool:
        try:
            await self._require_node(workspace)
        except Unavailable as error:
            await self.require_answer(error)
            return False
        return True

    def _pass_over_node(self, work: str, node: int, error: Exception) -> None:
        self._passed_over.add_node(node)
        self.warn(work, f"node {node} of the database is passed over for a while", error)

    def _take_parts(self, groups: Sequence[Sequence[int]]) -> list[Part]:
        """Return the parts to read: some of those that failed before, and the rest of each group."""
        alive = {one for group in groups for one in group}
        suspects: list[Part] = [part for one in self._suspects if (part := [n for n in one if n in alive])]
        tried, self._suspects = suspects[: 2 * MAX_LATE], suspects[2 * MAX_LATE :]
        apart = {one for part in suspects for one in part}
        rests = [[one for one in group if one not in apart] for group in groups]
        return [*tried, *filter(None, rests)]

    async def _find_in_parts(self, work: str, look: Look[T], parts: Sequence[Part]) -> Sequence[T]:
        async def read(part: Part) -> Sequence[T]:
            return await self.engine.read(lambda tx: look(tx, Scope(listed=part)), seconds=LOOK_SECONDS)

        search = PartSearch(read, self.require_answer)
        try:
            await search.run(parts)
        finally:
            self._suspects += search.left
        await asyncio.gather(*(self.pass_over(work, *failure) for failure in search.alone))
        return search.found
