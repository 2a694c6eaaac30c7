"""The clock of a workspace: at `evaluated_at` every stored membership is what a full evaluation would find.

Whatever moves memberships first brings the clock to now, and then records who moved: here, where webhooks are
told of it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, Edge, edges_of
from diglot.membership import notify, passage_of_time, read, store
from diglot.membership.active_segments import Live, live, nexts
from diglot.membership.notify import Moved
from diglot.membership.read import is_set_back
from diglot.membership.store import Kept
from diglot.membership.sweep import sweep
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause, Moment
from diglot.storage import workspaces
from diglot.storage.membership import instant_index, log, pending_members
from diglot.storage.membership.changes import Change
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import Locked

# Where more segments are evaluated at once, one walk over the contacts costs less than a scan for each.
SWEPT_FROM: Final = 20
NOBODY: Final[Mapping[int, Contact]] = {}
# Time is followed for a segment of an older database from the first write or tick on; until it is evaluated,
# what it is then is found by a scan.
UNFOLLOWED: Final = 0


@dataclass(frozen=True, slots=True)
class Current:
    """A workspace whose stored memberships are right at `at`, in a transaction that may move them.

    `now` is when that is by the clock of this process.
    """

    transaction: Transaction
    workspace: int
    live: Live
    at: int
    locked: Locked
    now: int

    @property
    def follows(self) -> bool:
        """Whether there is any segment to follow contacts into."""
        return bool(self.live.nodes or self.live.statics)


async def current(transaction: Transaction, workspace: int, locked: Locked, now: int) -> Current:
    """Bring the clock of a locked workspace to now, before anything is written that moves memberships.

    It stays where it is when it is a little ahead of this process's, or when whoever came in between set it.
    """
    known = await live_now(transaction, workspace, locked)
    if locked.evaluated_at < now:
        locked = await _advance(transaction, workspace, known, now)
    elif is_set_back(locked.evaluated_at, now + locked.waited):
        locked = await _set_back(transaction, workspace, known, now)
    return Current(transaction, workspace, known, locked.evaluated_at, locked, now)


async def tick(transaction: Transaction, workspace: int, now: int, rest: int = 0) -> None:
    """Do to the stored memberships of a workspace what time did, if nobody did it within the last `rest`."""
    locked = await workspaces.lock(transaction, workspace, moves=False, now=now)
    if locked.evaluated_at <= now - rest:
        await current(transaction, workspace, locked, now)


async def live_now(transaction: Transaction, workspace: int, locked: Locked) -> Live:
    """Return the live segments of a locked workspace."""
    if not locked.segments_version:
        return Live(0, locked.zone)
    return await live(transaction, workspace, locked.segments_version, locked.zone)


async def _set_back(transaction: Transaction, workspace: int, known: Live, now: int) -> Locked:
    """Evaluate what time moves at an instant that is earlier than the clock was: it had been ahead."""
    locked = await workspaces.lock(transaction, workspace, moves=False)
    # An earlier part of the transaction may have done it.
    if not is_set_back(locked.evaluated_at, now):
        return locked
    one = Current(transaction, workspace, known, now, locked, now)
    moved = frozenset[int]().union(*known.by_edge.values())
    await store_all(one, moved, Moment(now, Cause.TIME))
    changes = await next_changes(one, moved)
    await store.set_next(transaction, workspace, changes)
    await workspaces.set_evaluated(transaction, workspace, now, min(changes.values(), default=NEVER))
    return await workspaces.lock(transaction, workspace, moves=False)


async def _advance(transaction: Transaction, workspace: int, known: Live, now: int) -> Locked:
    """Do to the stored memberships what time did."""
    locked = await workspaces.lock(transaction, workspace, moves=False, now=now)
    if locked.evaluated_at >= now:
        return locked
    found = (await nexts(transaction, workspace, known, locked.clock_version)).by_segment
    by_segment = {number: at for number, at in found.items() if number in known.nodes}
    new = frozenset(number for number, at in by_segment.items() if at == UNFOLLOWED)
    due = frozenset(number for number, at in by_segment.items() if at <= now) - new
    passed = await passage_of_time.moved(transaction, workspace, known, due, locked.evaluated_at, now)
    moment = Moment(now, Cause.TIME)
    one = Current(transaction, workspace, known, now, locked, now)
    await record(one, passed.changes, moment)
    await store_all(one, passed.others, moment)
    for number in sorted(new):
        await watch_fields(one, known.nodes[number])
    changes = dict.fromkeys(new, NEVER) | await next_changes(one, due | new)
    await store.set_next(transaction, workspace, changes)
    by_segment |= changes
    await workspaces.set_evaluated(transaction, workspace, now, min(by_segment.values(), default=NEVER))
    return await workspaces.lock(transaction, workspace, moves=False)


async def store_all(one: Current, numbers: frozenset[int], moment: Moment) -> None:
    """Evaluate dynamic segments in full and store what is found."""
    transaction, workspace = one.transaction, one.workspace
    if len(numbers) > SWEPT_FROM:
        swept = await sweep(transaction, workspace, one.live, numbers, one.at, moment)
        await _tell(one, swept.changes, swept.first, moment, NOBODY)
    for number in sorted(numbers) if len(numbers) <= SWEPT_FROM else ():
        node = one.live.nodes[number]
        found = await read.evaluated(transaction, workspace, node, one.at, one.live.zone)
        await keep(one, number, found, moment)
    for number in sorted(numbers & one.live.pending):
        await pending_members.forget(transaction, workspace, number)
        await store.changed_segments(transaction, workspace)


async def watch_fields(one: Current, node: tree.Node) -> None:
    """Keep the instants of the fields that a condition with days looks at."""
    wanted = {edge.field for edge in edges_of(node)}
    if wanted:
        for name in sorted(wanted - await instant_index.watched(one.transaction, one.workspace)):
            await instant_index.watch(one.transaction, one.workspace, name, one.live.zone)


async def next_changes(one: Current, numbers: Iterable[int]) -> dict[int, int]:
    """Return when time can change each of some segments next."""
    by_edge: dict[Edge, int] = {}
    found: dict[int, int] = {}
    for number in numbers:
        for edge in edges_of(one.live.nodes[number]):
            if edge not in by_edge:
                by_edge[edge] = await instant_index.next_change(
                    one.transaction, one.workspace, edge, one.at, one.live.zone
                )
            found[number] = min(found.get(number, NEVER), by_edge[edge])
    return found


async def keep(
    one: Current, number: int, found: BitMap, moment: Moment, people: Mapping[int, Contact] = NOBODY
) -> Kept:
    """Store a whole membership in place of the one that is stored; `people` are contacts at hand."""
    kept = await store.store(one.transaction, one.workspace, number, found, moment)
    await _tell(one, [Change(number, kept.entered, kept.left)], kept.first, moment, people)
    return kept


async def record(
    one: Current, changes: Sequence[Change], moment: Moment, people: Mapping[int, Contact] = NOBODY
) -> None:
    """Log who entered and left segments, and fold the log when it is long; `people` are contacts at hand."""
    waiting = [change for change in changes if change.segment in one.live.pending]
    await pending_members.note(one.transaction, one.workspace, waiting)
    logged = [change for change in changes if change.segment not in one.live.pending]
    if not logged:
        return
    taken = await log.append(one.transaction, one.workspace, logged, moment)
    await _tell(one, logged, taken.entry, moment, people)
    last = taken.entry + sum(change.numbers for change in logged) - 1
    if store.is_long(one.live, taken, last):
        state = await workspaces.state(one.transaction, one.workspace)
        await store.fold(one.transaction, one.workspace, state, one.live)


async def _tell(
    one: Current, changes: Sequence[Change], first: int, moment: Moment, people: Mapping[int, Contact]
) -> None:
    """Tell webhooks of a row of the log, given its first sequence number."""
    moved = Moved(changes, first, moment, one.live, people)
    await notify.tell(one.transaction, one.workspace, one.locked, moved, one.now)
