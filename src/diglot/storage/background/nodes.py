"""Groups workspaces by the node of a distributed database that has them, as a process remembers it.

A database on one machine has one group of all workspaces.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from diglot.clock import Clock
from diglot.storage.sql.backend import WorkspaceNodes
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.sweeps import LOOK_SECONDS

# Workspaces seldom move between nodes; where they are is asked again after this time.
_REMEMBERED: Final = 60_000_000


class Nodes:
    """The node of each workspace; None if the database is not distributed."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._by_workspace: dict[int, int] = {}
        self._read_at: int | None = None
        self._is_distributed = True

    async def find(self, workspace: int) -> int | None:
        """Return the node of a workspace."""
        await self._learn([workspace])
        return self._by_workspace.get(workspace)

    def find_another(self, node: int, workspace: int) -> int:
        """Return a workspace of a node, another than the given one if one is known."""
        others = (
            one for one, its_node in self._by_workspace.items() if its_node == node and one != workspace
        )
        return next(others, workspace)

    def recall(self, workspace: int) -> int | None:
        """Return the node of a workspace as far as it is remembered."""
        return self._by_workspace.get(workspace)

    async def divide(self, workspaces: Iterable[int]) -> dict[int | None, list[int]]:
        """Return the workspaces of each node, in their order."""
        listed = list(workspaces)
        await self._learn(listed)
        divided: dict[int | None, list[int]] = {}
        for workspace in listed:
            divided.setdefault(self._by_workspace.get(workspace), []).append(workspace)
        return divided

    async def _learn(self, workspaces: Sequence[int]) -> None:
        """Ask for the nodes of all if one is not known, or not asked for a while."""
        told = self._engine.backend.workspace_nodes
        if told is None or not workspaces:
            return
        now = self._clock()
        is_recent = self._read_at is not None and self._read_at <= now < self._read_at + _REMEMBERED
        unknown = [one for one in workspaces if one not in self._by_workspace]
        if is_recent and not (unknown and self._is_distributed):
            return
        numbers = unknown if is_recent else sorted({*self._by_workspace, *workspaces})
        found = await self._engine.read(lambda tx: _read(tx, told, numbers), seconds=LOOK_SECONDS)
        if is_recent:
            self._by_workspace |= found
        else:
            self._by_workspace, self._is_distributed, self._read_at = found, bool(found), now


async def _read(transaction: Transaction, told: WorkspaceNodes, numbers: Sequence[int]) -> dict[int, int]:
    are_known = await transaction.fetch_one(Statement(told.are_known))
    if are_known is None or not are_known[0]:
        return {}
    encoded = transaction.backend.encode_list(numbers)
    rows = await transaction.fetch_all(Statement(told.of_numbers), {"numbers": encoded})
    return {row[0]: row[1] for row in rows}
