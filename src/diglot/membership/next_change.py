"""When time changes a segment next, also where what is noted of that is past: until the clock ticks."""

from dataclasses import replace

from diglot.conditions.relative_dates import NEVER, RelativeDate, relative_dates_of
from diglot.membership.read import clock_went_back, effective_now
from diglot.model.segments import Segment, SegmentType
from diglot.storage.membership import instant_index
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import WorkspaceState


def next_change_is_known(segment: Segment, state: WorkspaceState, now: int) -> bool:
    """Tell whether what is noted is the next instant at which time can change a segment.

    Of a segment that waits to be evaluated nothing is noted.
    """
    noted = segment.members is not None and not clock_went_back(state.evaluated_at, now)
    if noted and segment.next_change_at > effective_now(state, now):
        return True
    return segment.next_change_at == NEVER and not _relative_dates(segment)


def _relative_dates(segment: Segment) -> frozenset[RelativeDate]:
    """Return what time does to a segment: nothing to one that is filled by hand."""
    return frozenset() if segment.type is SegmentType.STATIC else relative_dates_of(segment.condition.tree)


async def with_next_change(
    transaction: Transaction, workspace: int, segment: Segment, state: WorkspaceState, now: int
) -> Segment:
    """Return a segment with the next instant at which time can change it."""
    if next_change_is_known(segment, state, now):
        return segment
    at, edges = effective_now(state, now), _relative_dates(segment)
    # Of a segment that nobody has followed yet time may change anything.
    found = at + 1
    if {edge.field for edge in edges} <= await instant_index.load_indexed_fields(transaction, workspace):
        found = NEVER
        for edge in edges:
            found = min(
                found, await instant_index.find_next_flip(transaction, workspace, edge, at, state.zone)
            )
    return replace(segment, next_change_at=found)
