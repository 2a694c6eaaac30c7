"""What the log says after an entry, change by change, of a workspace or of one segment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diglot.membership import store
from diglot.model.membership_changes import Moment
from diglot.storage.membership import log, log_sums
from diglot.storage.membership.changes import Change
from diglot.storage.membership.log import Written
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import State

# So many rows are looked through for the changes of one segment.
MOST_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """A change: a contact entered a segment, or left it."""

    number: int
    moment: Moment
    segment: int
    pk: int
    entered: bool


@dataclass(frozen=True, slots=True)
class Fed:
    """Changes in their order: all there are up to the number `through`."""

    steps: list[Step]
    through: int


async def of_workspace(transaction: Transaction, workspace: int, after: int, limit: int, state: State) -> Fed:
    """Return the next changes after a number within the history."""
    until = min(after + limit, state.logged)
    steps: list[Step] = []
    async for row in log.onwards(transaction, workspace, after, until):
        for number, change in row.parts(after, until):
            steps += _steps(row, number, change)
    return Fed(steps, until)


async def of_segment(  # noqa: PLR0913, PLR0917 - whose changes, and which of them
    transaction: Transaction, workspace: int, segment: int, after: int, limit: int, state: State
) -> Fed:
    """Return the next changes of a segment after a number within the history.

    They may be fewer than there are, even none, where many other changes lie between.
    """
    steps: list[Step] = []
    rows = 0
    for begin, until in await _spans(transaction, workspace, segment, after, state):
        async for row in log.onwards(transaction, workspace, begin, until):
            # Most rows say nothing of the segment: which numbers those have is not asked.
            for number, change in row.parts(begin, until) if row.of(segment, begin, until) else ():
                if change.segment == segment:
                    steps += _steps(row, number, change.part(0, limit - len(steps)))
            if len(steps) == limit:
                return Fed(steps, steps[-1].number)
            rows += 1
            if rows == MOST_ROWS:
                return Fed(steps, min(row.last, until))
    return Fed(steps, state.logged)


async def _spans(
    transaction: Transaction, workspace: int, segment: int, after: int, state: State
) -> list[tuple[int, int]]:
    """Return where the log may say something of a segment: after which entries, and until which."""
    spans = await log_sums.spans(transaction, workspace, segment, after)
    changes = await store.overlay(transaction, workspace, state)
    net = changes.nets.get(segment)
    if net is not None and after < state.logged:
        spans.append((net.first, state.logged))
    return [(max(first - 1, after), last) for first, last in spans]


def _steps(row: Written, number: int, change: Change) -> Iterator[Step]:
    for pk in change.left:
        yield Step(number, row.moment, change.segment, pk, entered=False)
        number += 1
    for pk in change.entered:
        yield Step(number, row.moment, change.segment, pk, entered=True)
        number += 1
