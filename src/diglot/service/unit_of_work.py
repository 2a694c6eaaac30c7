"""A unit that writes: what its use case and all that follows from it share."""

from dataclasses import dataclass

from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import LockedWorkspace


@dataclass(frozen=True, slots=True)
class WriteUnit:
    """A unit that writes: its transaction, the locked workspace, and when it is."""

    transaction: Transaction
    workspace: int
    locked: LockedWorkspace
    now: int
