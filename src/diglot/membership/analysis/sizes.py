"""The size of a segment over time, counted back from now by the counts of its log.

A bucket is the time from one boundary to the next. Its size is that at its end; what entered and left in it
is every change of the feed, so a contact that left and came back counts in both.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from diglot.membership import store
from diglot.membership.log_delta import LogDelta
from diglot.model.segments import Segment
from diglot.storage.membership import chunks, log, log_counts
from diglot.storage.membership.log_counts import QUARTER, CountedQuarter
from diglot.storage.membership.log_sums import NetChange
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


class Bucket(msgspec.Struct, frozen=True):
    """A span of time, in microseconds: the number of members at its end, and who entered and left in it."""

    begin: int
    end: int
    size: int
    entered: int
    left: int


async def load_sizes(
    tenant: Tenant, segment: Segment, boundaries: Sequence[int], state: WorkspaceState
) -> list[Bucket]:
    """Return the buckets between boundaries, which are quarters of an hour in ascending order.

    The history must begin before the first one, or the segment within the first bucket.
    """
    quarters = [boundary // QUARTER for boundary in boundaries]
    # The last place is for what happened after the last boundary.
    entered, left = [0] * len(boundaries), [0] * len(boundaries)
    changes = await store.get_delta(tenant, state)
    async for counted in _iterate_quarters(tenant, segment.number, quarters[0], changes, state):
        for quarter, more_entered, more_left in counted:
            place = bisect_right(quarters, quarter) - 1
            if place >= 0:
                entered[place] += more_entered
                left[place] += more_left
    size = changes.count_members(segment.number, await _count_stored(tenant, segment))
    buckets: list[Bucket] = []
    for place in reversed(range(len(boundaries))):
        if place < len(boundaries) - 1:
            begin, end = boundaries[place], boundaries[place + 1]
            buckets.append(Bucket(begin, end, size, entered[place], left[place]))
        size += left[place] - entered[place]
    return buckets[::-1]


async def _count_stored(tenant: Tenant, segment: Segment) -> int:
    """Return the number of members in the chunks; a pending segment has those that it had last."""
    if segment.members is not None:
        return segment.members
    return len(await chunks.load_all(tenant, segment.number))


async def _iterate_quarters(
    tenant: Tenant, segment: int, first: int, changes: LogDelta, state: WorkspaceState
) -> AsyncIterator[Iterable[CountedQuarter]]:
    """Yield the counts of a segment's changes from a quarter of an hour on, and maybe some earlier ones."""
    if (net := changes.net_changes.get(segment)) is not None:
        yield net.counts
    after, before = state.history_entry, state.last_entry + 1
    async for first_entry, counted in log_counts.iterate_backwards(tenant, segment, after):
        yield counted
        before = first_entry
        if counted[0][0] < first:
            return
    for begin, last in await log_counts.load_uncounted_spans(tenant, segment, after, before):
        yield await _count_rows(tenant, segment, max(begin - 1, after), last)


async def _count_rows(tenant: Tenant, segment: int, after: int, until: int) -> Iterable[CountedQuarter]:
    """Count the changes of a segment in the rows of the log, for a sum that has no counts."""
    net = NetChange.starting_at(after + 1)
    async for row in log.iterate_forwards(tenant, after, until):
        for change in row.changes_of(segment, after, until):
            net.count(change, row.origin.at // QUARTER)
    return net.counts
