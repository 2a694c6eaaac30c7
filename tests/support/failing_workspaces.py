"""An engine as of a distributed database with a node that is away: statements for some workspaces fail."""

import json
from typing import Any

from diglot.errors import DatabaseAway
from diglot.storage.sql.engine import BackgroundEngine, Engine, Transaction, UnitOfWork
from diglot.storage.sweeps import SHARES
from support.statements import METHODS


class FailingEngine(BackgroundEngine):
    """Fails each statement that reads or writes one of the workspaces in `away`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.away: set[int] = set()
        self.failures = 0

    async def read(self, work: UnitOfWork[Any], *, workspace: int | None = None) -> Any:
        return await self._engine.read(lambda tx: work(self._around(tx)), workspace=workspace)

    async def write(self, work: UnitOfWork[Any], *, workspace: int | None = None) -> Any:
        return await self._engine.write(lambda tx: work(self._around(tx)), workspace=workspace)

    def _around(self, transaction: Transaction) -> Any:
        return _FailingTransaction(transaction, self)

    def check(self, text: str, values: Any) -> None:
        """Raise `DatabaseAway` if a statement touches a workspace that is away."""
        for row in values if isinstance(values, list) else [values]:
            if not self.away.isdisjoint(_workspaces_of(text, row, self.away)):
                self.failures += 1
                raise DatabaseAway("connection to the remote node failed")


def _workspaces_of(text: str, values: Any, away: set[int]) -> set[int]:
    """Return the workspaces that a statement touches, of those that are away."""
    scope = values.get("scope")
    if scope is None:
        return {values[name] for name in ("workspace", "in_workspace") if name in values}
    numbers = json.loads(scope) if isinstance(scope, str) else scope
    return {one for one in away if (one % SHARES if "workspace % " in text else one) in numbers}


class _FailingTransaction:
    def __init__(self, transaction: Transaction, engine: FailingEngine) -> None:
        self._transaction = transaction
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._transaction, name)
        if name not in METHODS:
            return found

        async def run(statement: Any, values: Any = None) -> Any:
            self._engine.check(statement.sql_for(self._transaction.backend).text, values or {})
            return await found(statement, values or {})

        return run
