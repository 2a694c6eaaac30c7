"""The newest membership changes first: of a workspace, of a segment, of a contact, or of one contact in one.

The log has its rows in order and no index of contacts, so a search for a contact reads them backwards, up to
`MAX_ROWS` at a time. A search for a segment reads only the spans of entries whose sums have the segment.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import msgspec
from pyroaring import BitMap

from diglot.membership import store
from diglot.membership.history.feed import FeedEntry, feed_entries
from diglot.storage.membership import changes, log, log_sums
from diglot.storage.membership.changes import DenseKeys, SegmentChange
from diglot.storage.membership.log import LogRow
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

# Upper limit of log rows read for one page.
MAX_ROWS: Final = 10_000
# Entries of the log: after one, up to another.
_Span = tuple[int, int]


class Wanted(msgspec.Struct, frozen=True):
    """Which changes: of one segment, by its number, and of one contact, by its key; None does not filter.

    A contact that was created at an instant (microseconds) has no earlier changes.
    """

    segment: int | None = None
    pk: int | None = None
    created_at: int = 0


class RecentSlice(msgspec.Struct, frozen=True):
    """Changes, the newest first; older ones have entry numbers up to `older`, None if there are none."""

    entries: list[FeedEntry]
    older: int | None


async def load_recent_changes(
    tenant: Tenant, wanted: Wanted, until: int, limit: int, state: WorkspaceState
) -> RecentSlice:
    """Return the newest changes up to an entry of the history.

    A slice may hold fewer than `limit` changes, even none, if many others lie between.
    """
    entries: list[FeedEntry] = []
    rows = 0
    async for begin, end in _iterate_spans(tenant, wanted, until, limit, state):
        async for row in log.iterate_backwards(tenant, begin, end):
            if row.origin.at < wanted.created_at:
                return RecentSlice(entries, None)
            for entry in _entries_backwards(row, begin, end, wanted):
                entries.append(entry)
                if len(entries) == limit:
                    return RecentSlice(entries, _older(entry.number, state))
            rows += 1
            if rows == MAX_ROWS:
                return RecentSlice(entries, _older(row.first_entry, state))
    if wanted == Wanted():
        return RecentSlice(entries, _older(max(until - limit, 0) + 1, state))
    return RecentSlice(entries, None)


def _older(number: int, state: WorkspaceState) -> int | None:
    """Return the entry before one, None if the history begins there."""
    return number - 1 if number - 1 > state.history_entry else None


async def _iterate_spans(
    tenant: Tenant, wanted: Wanted, until: int, limit: int, state: WorkspaceState
) -> AsyncIterator[_Span]:
    """Yield the spans of entries that may hold what is wanted, the last first."""
    begin = state.history_entry
    if wanted.segment is None:
        # Numbers have no gaps, so all of the changes of a page lie in so many entries.
        yield (begin if wanted.pk is not None else max(begin, until - limit)), until
        return
    net = (await store.get_delta(tenant, state)).net_changes.get(wanted.segment)
    if net is not None and _may_hold(net, wanted):
        yield max(net.first_entry - 1, begin), until
    async for last, stored in log_sums.iterate_backwards(tenant, wanted.segment, begin):
        if stored.first_entry <= until and _may_hold(stored, wanted):
            yield max(stored.first_entry - 1, begin), min(last, until)


def _may_hold(net: log_sums.NetChange, wanted: Wanted) -> bool:
    return wanted.pk is None or net.mentions(wanted.pk)


def _entries_backwards(row: LogRow, after: int, until: int, wanted: Wanted) -> Iterator[FeedEntry]:
    if wanted.pk is not None and not changes.mentions(row.body, wanted.pk):
        return
    for number, change in reversed(list(row.changes_between(after, until))):
        if wanted.segment in (None, change.segment):
            if wanted.pk is None:
                yield from _all_backwards(row, number, change)
            else:
                yield from _of_contact(row, number, change, wanted.pk)


def _all_backwards(row: LogRow, number: int, change: SegmentChange) -> Iterator[FeedEntry]:
    """Yield the entries of a change one by one, because one may have a million and a page shows few."""
    for index in reversed(range(change.entry_count)):
        yield from feed_entries(row, number + index, change.slice_entries(index, index + 1))


def _of_contact(row: LogRow, number: int, change: SegmentChange, pk: int) -> Iterator[FeedEntry]:
    """Yield the entry of a contact, which is in one part of a change at most."""
    if pk in change.entered:
        index = len(change.left) + _index_of(change.entered, pk)
        yield FeedEntry(number + index, row.origin, change.segment, pk, entered=True)
    elif pk in change.left:
        yield FeedEntry(number + _index_of(change.left, pk), row.origin, change.segment, pk, entered=False)


def _index_of(keys: DenseKeys, pk: int) -> int:
    return keys.rank(pk) - 1 if isinstance(keys, BitMap) else keys.index(pk)
