"""Which workspaces wrote a moment ago: whoever holds the one lock of a database should be quick for them."""

from typing import Final

RECENT_SECONDS: Final = 2.0


class RecentWrites:
    """The last writes of workspaces; those older than `RECENT_SECONDS` are forgotten."""

    def __init__(self) -> None:
        # From the oldest to the newest.
        self._at: dict[int | None, float] = {}

    def add(self, workspace: int | None, at: float) -> None:
        """Record a write."""
        self._at.pop(workspace, None)
        self._at[workspace] = at
        while (oldest := next(iter(self._at))) != workspace and at - self._at[oldest] > RECENT_SECONDS:
            del self._at[oldest]

    def has(self, workspace: int | None, now: float) -> bool:
        """Return whether a workspace wrote recently."""
        at = self._at.get(workspace)
        return at is not None and now - at <= RECENT_SECONDS

    def has_others(self, workspace: int | None, now: float) -> bool:
        """Return whether another workspace wrote recently."""
        newest = reversed(self._at)
        other = next((key for key in newest if key != workspace), workspace)
        return other != workspace and now - self._at[other] <= RECENT_SECONDS
