"""What is counted of requests: how many in a window, if there is room for one more.

Named tuples, because each request makes some, and a frozen dataclass costs four times as much.
"""

from typing import Final, NamedTuple, Protocol

# The key of what all keys of a workspace share; no key has this id.
SHARED_KEY: Final = "workspace"


class RateRequest(NamedTuple):
    """A request to count, if fewer than `allowed_requests` of its key are counted in the current window.

    `window_us` is the length of a window. `overlap_us` is the part of the sliding window that still lies in
    the previous window, which is counted in proportion. All keys of the workspace together may have
    `shared_requests`, and it is counted under both or not at all; 0 is no limit.
    """

    key: str
    bucket: str
    window_number: int
    overlap_us: int
    window_us: int
    allowed_requests: int
    shared_requests: int = 0


class RateCount(NamedTuple):
    """The counts of the current and the previous window, including this request if `is_counted`.

    They are those of the key, or, if `is_shared`, of the workspace, which alone had no room.
    """

    is_counted: bool
    current: int
    previous: int
    is_shared: bool = False


class RequestCounters(Protocol):
    """Counts the requests of workspaces without a statement, for all processes of a database."""

    def count(self, workspace: int, request: RateRequest) -> RateCount:
        """Count a request if there is room for it.

        Raise `EphemeralBusyError` if counting is not possible now.
        """
