"""When time changes a segment next, also where what is noted of that is past: until the clock ticks."""

from dataclasses import replace

from diglot.conditions.relative_dates import NEVER, Edge, edges_of
from diglot.membership.read import is_set_back, read_at
from diglot.model.segments import Segment, SegmentType
from diglot.storage.membership import instant_index
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import State


def is_timely(segment: Segment, state: State, now: int) -> bool:
    """Tell whether what is noted is the next instant at which time can change a segment.

    Of a segment that waits to be evaluated nothing is noted.
    """
    noted = segment.members is not None and not is_set_back(state.evaluated_at, now)
    if noted and segment.next_change_at > read_at(state, now):
        return True
    return segment.next_change_at == NEVER and not _edges(segment)


def _edges(segment: Segment) -> frozenset[Edge]:
    """Return what time does to a segment: nothing to one that is filled by hand."""
    return frozenset() if segment.type is SegmentType.STATIC else edges_of(segment.condition.tree)


async def timely(
    transaction: Transaction, workspace: int, segment: Segment, state: State, now: int
) -> Segment:
    """Return a segment with the next instant at which time can change it."""
    if is_timely(segment, state, now):
        return segment
    at, edges = read_at(state, now), _edges(segment)
    # Of a segment that nobody has followed yet time may change anything.
    found = at + 1
    if {edge.field for edge in edges} <= await instant_index.watched(transaction, workspace):
        found = NEVER
        for edge in edges:
            found = min(found, await instant_index.next_change(transaction, workspace, edge, at, state.zone))
    return replace(segment, next_change_at=found)
