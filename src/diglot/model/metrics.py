"""Metrics for the operator: sums over all workspaces, without names or contacts."""

import msgspec


class Metrics(msgspec.Struct, frozen=True):
    """Totals and amounts of waiting work. Instants are in microseconds, None if nothing waits.

    They are not complete if only some nodes of the database answered.
    """

    verified_segments: int
    repaired_segments: int
    repaired_contacts: int
    oldest_evaluation: int | None
    due_since: int | None
    pending_segments: int
    uncompacted_changes: int
    waiting_deliveries: int
    now: int
    is_complete: bool = True
