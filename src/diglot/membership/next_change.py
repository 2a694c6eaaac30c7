"""Computes a segment's next change by time, even when the stored value lies in the past.

The stored value lies in the past if the workspace clock has not ticked since.
"""

from dataclasses import replace

from diglot.conditions.relative_dates import NEVER, RelativeDate, relative_dates_of
from diglot.membership.read import clock_went_back, effective_now
from diglot.model.segments import Segment, SegmentType
from diglot.storage.membership import instant_index
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


def next_change_is_known(segment: Segment, state: WorkspaceState, now: int) -> bool:
    """Tell whether the stored instant is the next one at which time can change a segment.

    A pending segment has no valid instant stored.
    """
    is_tracked = segment.members is not None and not clock_went_back(state.evaluated_at, now)
    if is_tracked and segment.next_change_at > effective_now(state, now):
        return True
    return segment.next_change_at == NEVER and not _relative_dates(segment)


def _relative_dates(segment: Segment) -> frozenset[RelativeDate]:
    """Return the relative dates in the condition of a segment; a static segment has none."""
    return frozenset() if segment.type is SegmentType.STATIC else relative_dates_of(segment.condition.tree)


async def with_next_change(tenant: Tenant, segment: Segment, state: WorkspaceState, now: int) -> Segment:
    """Return a segment with the next instant at which time can change its members."""
    if next_change_is_known(segment, state, now):
        return segment
    at, relative_dates = effective_now(state, now), _relative_dates(segment)
    # Fields that are not indexed yet give no instant, so time may change the segment at any moment.
    next_change = at + 1
    indexed = await instant_index.load_indexed_fields(tenant)
    if {relative_date.field for relative_date in relative_dates} <= indexed:
        next_change = NEVER
        for relative_date in relative_dates:
            flip = await instant_index.find_next_flip(tenant, relative_date, at, state.zone)
            next_change = min(next_change, flip)
    return replace(segment, next_change_at=next_change)
