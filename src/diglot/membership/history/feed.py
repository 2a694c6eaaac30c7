"""The feed: reads the log after an entry, one change at a time, for a workspace or a single segment.

Numbers of entries have no gaps, so a client can resume after any of them.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from diglot.membership import store
from diglot.model.membership_changes import ChangeOrigin
from diglot.storage.membership import log, log_sums
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.log import LogRow
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

# Upper limit of log rows scanned for one page of a segment's feed.
MAX_ROWS: Final = 10_000


class FeedEntry(msgspec.Struct, frozen=True):
    """A change: a contact entered or left a segment."""

    number: int
    origin: ChangeOrigin
    segment: int
    pk: int
    entered: bool


class FeedSlice(msgspec.Struct, frozen=True):
    """Changes in order, complete up to the entry `through`."""

    entries: list[FeedEntry]
    through: int


async def load_workspace_changes(tenant: Tenant, after: int, limit: int, state: WorkspaceState) -> FeedSlice:
    """Return the next changes after an entry within the history."""
    until = min(after + limit, state.last_entry)
    entries: list[FeedEntry] = []
    async for row in log.iterate_forwards(tenant, after, until):
        for number, change in row.changes_between(after, until):
            entries += feed_entries(row, number, change)
    return FeedSlice(entries, until)


async def load_segment_changes(
    tenant: Tenant, segment: int, after: int, limit: int, state: WorkspaceState
) -> FeedSlice:
    """Return the next changes of a segment after an entry within the history.

    A slice may hold fewer than `limit` changes, even none, if many changes of other segments lie between.
    """
    entries: list[FeedEntry] = []
    rows = 0
    for begin, until in await _list_spans_mentioning(tenant, segment, after, state):
        async for row in log.iterate_forwards(tenant, begin, until):
            # Most rows do not mention the segment; skip numbering their entries.
            for number, change in (
                row.changes_between(begin, until) if row.changes_of(segment, begin, until) else ()
            ):
                if change.segment == segment:
                    entries += feed_entries(row, number, change.slice_entries(0, limit - len(entries)))
            if len(entries) == limit:
                return FeedSlice(entries, entries[-1].number)
            rows += 1
            if rows == MAX_ROWS:
                return FeedSlice(entries, min(row.last_entry, until))
    return FeedSlice(entries, state.last_entry)


async def _list_spans_mentioning(
    tenant: Tenant, segment: int, after: int, state: WorkspaceState
) -> list[tuple[int, int]]:
    """Return the spans of entries (after, until) that may mention a segment."""
    spans = await log_sums.load_spans(tenant, segment, after)
    changes = await store.get_delta(tenant, state)
    net = changes.net_changes.get(segment)
    if net is not None and after < state.last_entry:
        spans.append((net.first_entry, state.last_entry))
    return [(max(first - 1, after), last) for first, last in spans]


def feed_entries(row: LogRow, number: int, change: SegmentChange) -> Iterator[FeedEntry]:
    """Yield the entries of a change, in order; `number` is that of the first."""
    for pk in change.left:
        yield FeedEntry(number, row.origin, change.segment, pk, entered=False)
        number += 1
    for pk in change.entered:
        yield FeedEntry(number, row.origin, change.segment, pk, entered=True)
        number += 1
