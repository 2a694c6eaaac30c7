"""What is counted of requests: how many in a window, if there is room for one more.

Named tuples, because each request makes several, and a frozen dataclass costs four times as much.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class RateRequest(NamedTuple):
    """A request to count, if fewer than `allowed_requests` are counted in the current window.

    `window_us` is the length of a window. `overlap_us` is the part of the sliding window that still lies in
    the previous window, which is counted in proportion.
    """

    key: str
    bucket: str
    window_number: int
    overlap_us: int
    window_us: int
    allowed_requests: int


class RateCount(NamedTuple):
    """The counts of the current and the previous window, including this request if `is_counted`."""

    is_counted: bool
    current: int
    previous: int


class RequestCounters(Protocol):
    """Counts the requests of workspaces without a statement, for all processes of a database."""

    def count(self, workspace: int, requests: Sequence[RateRequest]) -> Sequence[RateCount]:
        """Count a request under each of its keys if all have room for it; return each count.

        `is_counted` says which of them had room. Raise `EphemeralBusyError` if counting is not possible now.
        """
