"""A workspace within a transaction, as one value."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import BoundValues, Engine, Executable, Row, Transaction, UnitOfWork

T = TypeVar("T")


@dataclass(slots=True)
class Tenant:
    """A workspace within a transaction.

    Its statements are bound to the workspace, so that none can read or write rows of another one.
    """

    transaction: Transaction
    workspace: int

    @property
    def backend(self) -> Backend:
        """The database of the transaction."""
        return self.transaction.backend

    async def fetch_all(self, statement: Executable, /, **values: Any) -> Sequence[Row]:
        """Return all rows."""
        return await self.transaction.fetch_all(statement, self._bind(values))

    async def fetch_one(self, statement: Executable, /, **values: Any) -> Row | None:
        """Return the first row, or None."""
        return await self.transaction.fetch_one(statement, self._bind(values))

    async def execute(self, statement: Executable, /, **values: Any) -> None:
        """Execute a statement that returns no rows."""
        await self.transaction.execute(statement, self._bind(values))

    async def execute_many(self, statement: Executable, rows: Iterable[BoundValues]) -> None:
        """Execute a statement once for each set of values."""
        await self.transaction.execute_many(statement, [self._bind({**row}) for row in rows])

    def _bind(self, values: dict[str, Any]) -> dict[str, Any]:
        # An update cannot bind a column under its own name, so the workspace is also bound as `in_workspace`.
        # A statement takes the values that it names; the others cost nothing.
        values["workspace"] = values["in_workspace"] = self.workspace
        return values


def fetch_point(
    engine: Engine, workspace: int, statement: Executable, /, **values: Any
) -> Coroutine[Any, Any, Row | None]:
    """Return the row of a statement that reads by a unique key in a workspace, without a transaction."""
    values["workspace"] = workspace
    return engine.fetch_point(statement, values)


def bind_workspace(workspace: int, work: Callable[[Tenant], Awaitable[T]]) -> UnitOfWork[T]:
    """Return a unit of work that runs a function on a workspace."""
    return lambda transaction: work(Tenant(transaction, workspace))
