"""How much of a database one process uses, and how long a request may wait for it."""

from dataclasses import dataclass
from typing import Final

# The key of background work among the workspaces that share a pool; no workspace has this number.
BACKGROUND: Final = -1


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator can set.

    `connections` is the size of the pool, 0 for the figure of the database. A read ends after `read_seconds`.
    A request waits at most `wait_seconds` for the database: to connect, for a lock, or for a connection while
    no other request of its workspace is served; otherwise it waits at most `queue_seconds` for its turn.
    """

    connections: int = 0
    read_seconds: float = 15
    wait_seconds: float = 4
    queue_seconds: float = 30


DEFAULT_LIMITS: Final = Limits()
