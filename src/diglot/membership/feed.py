"""What the log says after an entry, change by change, of a workspace or of one segment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diglot.membership import store
from diglot.model.membership_changes import ChangeOrigin
from diglot.storage.membership import log, log_sums
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.log import LogRow
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import WorkspaceState

# So many rows are looked through for the changes of one segment.
MAX_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A change: a contact entered a segment, or left it."""

    number: int
    origin: ChangeOrigin
    segment: int
    pk: int
    entered: bool


@dataclass(frozen=True, slots=True)
class FeedSlice:
    """Changes in their order: all there are up to the number `through`."""

    entries: list[FeedEntry]
    through: int


async def load_workspace_changes(
    transaction: Transaction, workspace: int, after: int, limit: int, state: WorkspaceState
) -> FeedSlice:
    """Return the next changes after a number within the history."""
    until = min(after + limit, state.last_entry)
    steps: list[FeedEntry] = []
    async for row in log.iterate_forwards(transaction, workspace, after, until):
        for number, change in row.changes_between(after, until):
            steps += _feed_entries(row, number, change)
    return FeedSlice(steps, until)


async def load_segment_changes(  # noqa: PLR0913, PLR0917 - whose changes, and which of them
    transaction: Transaction, workspace: int, segment: int, after: int, limit: int, state: WorkspaceState
) -> FeedSlice:
    """Return the next changes of a segment after a number within the history.

    They may be fewer than there are, even none, where many other changes lie between.
    """
    steps: list[FeedEntry] = []
    rows = 0
    for begin, until in await _list_spans_mentioning(transaction, workspace, segment, after, state):
        async for row in log.iterate_forwards(transaction, workspace, begin, until):
            # Most rows say nothing of the segment: which numbers those have is not asked.
            for number, change in (
                row.changes_between(begin, until) if row.changes_of(segment, begin, until) else ()
            ):
                if change.segment == segment:
                    steps += _feed_entries(row, number, change.slice_entries(0, limit - len(steps)))
            if len(steps) == limit:
                return FeedSlice(steps, steps[-1].number)
            rows += 1
            if rows == MAX_ROWS:
                return FeedSlice(steps, min(row.last_entry, until))
    return FeedSlice(steps, state.last_entry)


async def _list_spans_mentioning(
    transaction: Transaction, workspace: int, segment: int, after: int, state: WorkspaceState
) -> list[tuple[int, int]]:
    """Return where the log may say something of a segment: after which entries, and until which."""
    spans = await log_sums.load_spans(transaction, workspace, segment, after)
    changes = await store.get_delta(transaction, workspace, state)
    net = changes.net_changes.get(segment)
    if net is not None and after < state.last_entry:
        spans.append((net.first_entry, state.last_entry))
    return [(max(first - 1, after), last) for first, last in spans]


def _feed_entries(row: LogRow, number: int, change: SegmentChange) -> Iterator[FeedEntry]:
    for pk in change.left:
        yield FeedEntry(number, row.origin, change.segment, pk, entered=False)
        number += 1
    for pk in change.entered:
        yield FeedEntry(number, row.origin, change.segment, pk, entered=True)
        number += 1
