"""What an operator sees of all workspaces together; nothing of any of them, nor of contacts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metrics:
    """Counts since the beginning, and what waits now. Instants in microseconds, None where there is none."""

    verified_segments: int
    repaired_segments: int
    repaired_contacts: int
    oldest_evaluation: int | None
    due_since: int | None
    pending_segments: int
    uncompacted_changes: int
    waiting_deliveries: int
    now: int
