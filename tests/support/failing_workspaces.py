"""An engine as of a distributed database with a node that is away: statements for some workspaces fail.

So do those that would go to the node in any case: statements for all workspaces, and writes of tables that
are copied to every node.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from diglot.errors import DatabaseAway
from diglot.storage.schema.distribution import list_placements
from diglot.storage.sql.backend import Sql
from diglot.storage.sql.engine import BackgroundEngine, Engine, Transaction, UnitOfWork
from diglot.storage.sweeps import SHARES
from support.statements import METHODS

# The tables whose rows are on several nodes; the leases are on one, here on one that is not away.
_SPREAD: Final = frozenset(
    one.name for one in list_placements() if one.column is not None and one.shards is None
)
_COPIED: Final = frozenset(one.name for one in list_placements() if one.column is None)


class FailingEngine(BackgroundEngine):
    """Fails each statement that needs the node of the workspaces in `away`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.point_read = self._failing(engine.point_read)
        self.run_ephemeral = self._failing(engine.run_ephemeral)
        self.away: set[int] = set()
        self.failures = 0

    async def read(self, work: UnitOfWork[Any], *, workspace: int | None = None) -> Any:
        return await self._engine.read(lambda tx: work(self._around(tx)), workspace=workspace)

    async def write(self, work: UnitOfWork[Any], *, workspace: int | None = None) -> Any:
        return await self._engine.write(lambda tx: work(self._around(tx)), workspace=workspace)

    def _failing(self, run: Callable[[UnitOfWork[Any]], Any]) -> Any:
        return lambda work: run(lambda tx: work(self._around(tx)))

    def _around(self, transaction: Transaction) -> Any:
        return _FailingTransaction(transaction, self)

    def check(self, sql: Sql, values: Any) -> None:
        """Raise `DatabaseAway` if a statement needs the node that is away."""
        for row in values if isinstance(values, list) else [values]:
            if not self.away.isdisjoint(_workspaces_of(sql, row, self.away)):
                self.failures += 1
                raise DatabaseAway("connection to the remote node failed")


def _workspaces_of(sql: Sql, values: Any, away: set[int]) -> set[int]:
    """Return the workspaces that a statement touches, of those that are away."""
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
