"""A workspace within a transaction, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diglot.storage.sql.engine import Executable, Row, Transaction


@dataclass(slots=True)
class Tenant:
    """A workspace within a transaction.

    Its statements are bound to the workspace, so that none can read or write rows of another one.
    """

    transaction: Transaction
    workspace: int

    async def fetch_all(self, statement: Executable, **values: Any) -> Sequence[Row]:
        """Return all rows."""
        return await self.transaction.fetch_all(statement, self._bind(values))

    async def fetch_one(self, statement: Executable, **values: Any) -> Row | None:
        """Return the first row, or None."""
        return await self.transaction.fetch_one(statement, self._bind(values))

    async def execute(self, statement: Executable, **values: Any) -> None:
        """Execute a statement that returns no rows."""
        await self.transaction.execute(statement, self._bind(values))

    def _bind(self, values: dict[str, Any]) -> dict[str, Any]:
        # An update cannot bind a column under its own name, so the workspace is also bound as `in_workspace`.
        values["workspace"] = values["in_workspace"] = self.workspace
        return values
