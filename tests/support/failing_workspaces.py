"""An engine as of a distributed database with a node that is away or that hangs.

Statements for some workspaces fail, or get no answer. So do those that would go to the node in any case:
statements for all workspaces, and writes of tables that are copied to every node.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import text

from diglot.errors import DatabaseAway, DeadlineExceeded
from diglot.storage.schema.distribution import list_placements
from diglot.storage.sql.backend import Sql, WorkspaceNodes
from diglot.storage.sql.engine import Engine, Transaction, UnitOfWork
from diglot.storage.sql.pool.background import BackgroundEngine
from diglot.storage.sweeps import SHARES
from support.statements import METHODS

# The tables whose rows are on several nodes; the leases are on one, here on one that is not away.
_SPREAD: Final = frozenset(
    one.name for one in list_placements() if one.column is not None and one.shards is None
)
_COPIED: Final = frozenset(one.name for one in list_placements() if one.column is None)
NODES: Final = 3
# Every third workspace is on the same node.
_NODES: Final = WorkspaceNodes(
    text("SELECT 1"), text(f"SELECT workspace, workspace % {NODES} FROM workspace_profiles")
)
# A unit that is late waits so long for real, in which others become late too.
_SHORT_SECONDS: Final = 0.02


class _Hangs(Exception):
    """A statement needs the node of a workspace that hangs."""


class FailingEngine(BackgroundEngine):
    """Fails each statement that needs the node of the workspaces in `away`.

    One that needs that of the workspaces in `hanging` gets no answer: a unit with a deadline is then late,
    and another one waits for ever. `on_late` is called once for all units that are late at the same time.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.point_read = self._failing(engine.point_read)
        self.run_ephemeral = self._failing(engine.run_ephemeral)
        # A distributed database has no file that counts.
        self.request_counters = None
        self.away: set[int] = set()
        self.hanging: set[int] = set()
        self.failures = 0
        self.late = 0
        self.tells_nodes = False
        self.on_late: Callable[[], None] = lambda: None
        self._delay: asyncio.Task[None] | None = None

    def tell_nodes(self) -> None:
        """Tell the node of each workspace from now on, as a distributed database does."""
        self.tells_nodes = True
        self.backend = replace(self.backend, workspace_nodes=_NODES)

    async def read(
        self, work: UnitOfWork[Any], *, workspace: int | None = None, seconds: float | None = None
    ) -> Any:
        running = self._engine.read(lambda tx: work(self._around(tx)), workspace=workspace)
        return await self._hang_with(running, seconds)

    async def write(
        self, work: UnitOfWork[Any], *, workspace: int | None = None, seconds: float | None = None
    ) -> Any:
        running = self._engine.write(lambda tx: work(self._around(tx)), workspace=workspace)
        return await self._hang_with(running, seconds)

    async def _hang_with(self, running: Any, seconds: float | None) -> Any:
        try:
            return await running
        except _Hangs:
            if seconds is None:
                await asyncio.Event().wait()
            self.late += 1
            if self._delay is None or self._delay.done():
                self._delay = asyncio.create_task(self._be_late())
            await asyncio.shield(self._delay)
            raise DeadlineExceeded("the node did not answer in time") from None

    async def _be_late(self) -> None:
        await asyncio.sleep(_SHORT_SECONDS)
        self.on_late()

    def _failing(self, run: Callable[[UnitOfWork[Any]], Any]) -> Any:
        return lambda work: self._hang_with(run(lambda tx: work(self._around(tx))), None)

    def _around(self, transaction: Transaction) -> Any:
        return _FailingTransaction(transaction, self)

    def check(self, sql: Sql, values: Any) -> None:
        """Raise an error if a statement needs a node that is away or that hangs."""
        for row in values if isinstance(values, list) else [values]:
            if not self.hanging.isdisjoint(_workspaces_of(sql, row, self.hanging)):
                raise _Hangs
            if not self.away.isdisjoint(_workspaces_of(sql, row, self.away)):
                self.failures += 1
                raise DatabaseAway("connection to the remote node failed")


def _workspaces_of(sql: Sql, values: Any, away: set[int]) -> set[int]:
    """Return the workspaces that a statement touches, of those on the node."""
    if sql.written in _COPIED:
        return away
    if _SPREAD.isdisjoint({sql.written, *(sql.tables or ())}):
        return set()
    scope = values.get("scope")
    if scope is None:
        bound = {values[name] for name in sql.parameter_names if name.endswith("workspace")}
        return bound or away
    numbers = json.loads(scope) if isinstance(scope, str) else scope
    return {one for one in away if (one % SHARES if "workspace % " in sql.text else one) in numbers}


class _FailingTransaction:
    def __init__(self, transaction: Transaction, engine: FailingEngine) -> None:
        self._transaction = transaction
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._transaction, name)
        if name not in METHODS:
            return found

        async def run(statement: Any, values: Any = None) -> Any:
            self._engine.check(statement.sql_for(self._transaction.backend), values or {})
            return await found(statement, values or {})

        return run
