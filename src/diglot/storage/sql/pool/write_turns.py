"""Limits the writes of one workspace that hold connections, because they wait for its lock one by one."""

from typing import Final

from diglot.storage.sql.engine import Limits
from diglot.storage.sql.pool.turns import Turns

# One write works while the next waits for its lock, so that the lock is never free for longer than needed.
_WRITES_PER_WORKSPACE: Final = 2


class WriteTurns:
    """The writes of each workspace in this process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turns: dict[int, tuple[Turns, int]] = {}

    async def take(self, workspace: int) -> None:
        """Wait until a write of a workspace may begin; raise `DatabaseBusy` if that takes too long."""
        turns, users = self._turns.get(workspace) or (self._make(), 0)
        self._turns[workspace] = (turns, users + 1)
        try:
            await turns.take(None)
        except BaseException:
            self._leave(workspace)
            raise

    def give_back(self, workspace: int, *, succeeded: bool) -> None:
        """Let the next write of a workspace begin."""
        turns, _ = self._turns[workspace]
        turns.give_back(None, succeeded=succeeded)
        self._leave(workspace)

    def _leave(self, workspace: int) -> None:
        turns, users = self._turns.pop(workspace)
        if users > 1:
            self._turns[workspace] = (turns, users - 1)

    def _make(self) -> Turns:
        # A single key holds half of the slots.
        return Turns(2 * _WRITES_PER_WORKSPACE, self._limits)
