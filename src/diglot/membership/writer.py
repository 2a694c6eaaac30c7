"""The clock of a workspace: at `evaluated_at` every stored membership is what a full evaluation would find.

Whatever moves memberships first brings the clock to now, and then records who moved: here, where webhooks are
told of it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, RelativeDate, relative_dates_of
from diglot.membership import notify, passage_of_time, read, store
from diglot.membership.active_segments import ActiveSegments, get_active_segments, get_next_changes
from diglot.membership.notify import LoggedChanges
from diglot.membership.read import clock_went_back
from diglot.membership.store import MembershipReplacement
from diglot.membership.sweep import sweep_segments
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.storage import workspaces
from diglot.storage.membership import instant_index, log, pending_members
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import LockedWorkspace

# Where more segments are evaluated at once, one walk over the contacts costs less than a scan for each.
SWEEP_THRESHOLD: Final = 20
NO_CONTACTS: Final[Mapping[int, Contact]] = {}
# Time is followed for a segment of an older database from the first write or tick on; until it is evaluated,
# what it is then is found by a scan.
TIME_NOT_TRACKED: Final = 0


@dataclass(frozen=True, slots=True)
class MembershipWriter:
    """A workspace whose stored memberships are right at `at`, in a transaction that may move them.

    `now` is when that is by the clock of this process.
    """

    transaction: Transaction
    workspace: int
    active_segments: ActiveSegments
    effective_now: int
    locked: LockedWorkspace
    now: int

    @property
    def has_segments(self) -> bool:
        """Whether there is any segment to follow contacts into."""
        return bool(self.active_segments.conditions or self.active_segments.static_segments)


async def open_writer(
    transaction: Transaction, workspace: int, locked: LockedWorkspace, now: int
) -> MembershipWriter:
    """Bring the clock of a locked workspace to now, before anything is written that moves memberships.

    It stays where it is when it is a little ahead of this process's, or when whoever came in between set it.
    """
    known = await load_active_segments(transaction, workspace, locked)
    if locked.evaluated_at < now:
        locked = await _catch_up(transaction, workspace, known, now)
    elif clock_went_back(locked.evaluated_at, now + locked.waited_us):
        locked = await _rewind(transaction, workspace, known, now)
    return MembershipWriter(transaction, workspace, known, locked.evaluated_at, locked, now)


async def tick(transaction: Transaction, workspace: int, now: int, min_interval: int = 0) -> None:
    """Do to the stored memberships of a workspace what time did, if nobody did it within the last `rest`."""
    locked = await workspaces.lock(transaction, workspace, moves_members=False, now=now)
    if locked.evaluated_at <= now - min_interval:
        await open_writer(transaction, workspace, locked, now)


async def load_active_segments(
    transaction: Transaction, workspace: int, locked: LockedWorkspace
) -> ActiveSegments:
    """Return the live segments of a locked workspace."""
    if not locked.segments_version:
        return ActiveSegments(0, locked.zone)
    return await get_active_segments(transaction, workspace, locked.segments_version, locked.zone)


async def _rewind(
    transaction: Transaction, workspace: int, known: ActiveSegments, now: int
) -> LockedWorkspace:
    """Evaluate what time moves at an instant that is earlier than the clock was: it had been ahead."""
    locked = await workspaces.lock(transaction, workspace, moves_members=False)
    # An earlier part of the transaction may have done it.
    if not clock_went_back(locked.evaluated_at, now):
        return locked
    one = MembershipWriter(transaction, workspace, known, now, locked, now)
    moved = frozenset[int]().union(*known.by_relative_date.values())
    await evaluate_and_store(one, moved, ChangeOrigin(now, Cause.TIME))
    changes = await compute_next_changes(one, moved)
    await store.set_next_changes(transaction, workspace, changes)
    await workspaces.set_evaluated(transaction, workspace, now, min(changes.values(), default=NEVER))
    return await workspaces.lock(transaction, workspace, moves_members=False)


async def _catch_up(
    transaction: Transaction, workspace: int, known: ActiveSegments, now: int
) -> LockedWorkspace:
    """Do to the stored memberships what time did."""
    locked = await workspaces.lock(transaction, workspace, moves_members=False, now=now)
    if locked.evaluated_at >= now:
        return locked
    found = (await get_next_changes(transaction, workspace, known, locked.clock_version)).by_segment
    by_segment = {number: at for number, at in found.items() if number in known.conditions}
    new = frozenset(number for number, at in by_segment.items() if at == TIME_NOT_TRACKED)
    due = frozenset(number for number, at in by_segment.items() if at <= now) - new
    passed = await passage_of_time.changes_by_time(
        transaction, workspace, known, due, locked.evaluated_at, now
    )
    moment = ChangeOrigin(now, Cause.TIME)
    one = MembershipWriter(transaction, workspace, known, now, locked, now)
    await append_changes(one, passed.changes, moment)
    await evaluate_and_store(one, passed.to_evaluate_in_full, moment)
    for number in sorted(new):
        await build_indexes(one, known.conditions[number])
    changes = dict.fromkeys(new, NEVER) | await compute_next_changes(one, due | new)
    await store.set_next_changes(transaction, workspace, changes)
    by_segment |= changes
    await workspaces.set_evaluated(transaction, workspace, now, min(by_segment.values(), default=NEVER))
    return await workspaces.lock(transaction, workspace, moves_members=False)


async def evaluate_and_store(one: MembershipWriter, numbers: frozenset[int], moment: ChangeOrigin) -> None:
    """Evaluate dynamic segments in full and store what is found."""
    transaction, workspace = one.transaction, one.workspace
    if len(numbers) > SWEEP_THRESHOLD:
        swept = await sweep_segments(
            transaction, workspace, one.active_segments, numbers, one.effective_now, moment
        )
        await _notify_webhooks(one, swept.changes, swept.first_entry, moment, NO_CONTACTS)
    for number in sorted(numbers) if len(numbers) <= SWEEP_THRESHOLD else ():
        node = one.active_segments.conditions[number]
        found = await read.evaluate_condition(
            transaction, workspace, node, one.effective_now, one.active_segments.zone
        )
        await replace_membership(one, number, found, moment)
    for number in sorted(numbers & one.active_segments.pending_segments):
        await pending_members.clear(transaction, workspace, number)
        await store.renew_segments_version(transaction, workspace)


async def build_indexes(one: MembershipWriter, node: tree.Node) -> None:
    """Keep the instants of the fields that a condition with days looks at."""
    wanted = {edge.field for edge in relative_dates_of(node)}
    if wanted:
        for name in sorted(wanted - await instant_index.load_indexed_fields(one.transaction, one.workspace)):
            await instant_index.build_index(one.transaction, one.workspace, name, one.active_segments.zone)


async def compute_next_changes(one: MembershipWriter, numbers: Iterable[int]) -> dict[int, int]:
    """Return when time can change each of some segments next."""
    by_edge: dict[RelativeDate, int] = {}
    found: dict[int, int] = {}
    for number in numbers:
        for edge in relative_dates_of(one.active_segments.conditions[number]):
            if edge not in by_edge:
                by_edge[edge] = await instant_index.find_next_flip(
                    one.transaction, one.workspace, edge, one.effective_now, one.active_segments.zone
                )
            found[number] = min(found.get(number, NEVER), by_edge[edge])
    return found


async def replace_membership(
    one: MembershipWriter,
    number: int,
    found: BitMap,
    moment: ChangeOrigin,
    known_contacts: Mapping[int, Contact] = NO_CONTACTS,
) -> MembershipReplacement:
    """Store a whole membership in place of the one that is stored; `people` are contacts at hand."""
    kept = await store.replace_members(one.transaction, one.workspace, number, found, moment)
    await _notify_webhooks(
        one, [SegmentChange(number, kept.entered, kept.left)], kept.first_entry, moment, known_contacts
    )
    return kept


async def append_changes(
    one: MembershipWriter,
    changes: Sequence[SegmentChange],
    moment: ChangeOrigin,
    known_contacts: Mapping[int, Contact] = NO_CONTACTS,
) -> None:
    """Log who entered and left segments, and fold the log when it is long; `people` are contacts at hand."""
    waiting = [change for change in changes if change.segment in one.active_segments.pending_segments]
    await pending_members.record(one.transaction, one.workspace, waiting)
    logged = [change for change in changes if change.segment not in one.active_segments.pending_segments]
    if not logged:
        return
    taken = await log.append(one.transaction, one.workspace, logged, moment)
    await _notify_webhooks(one, logged, taken.first_entry, moment, known_contacts)
    last = taken.first_entry + sum(change.entry_count for change in logged) - 1
    if store.needs_compaction(one.active_segments, taken, last):
        state = await workspaces.load_state(one.transaction, one.workspace)
        await store.compact_log(one.transaction, one.workspace, state, one.active_segments)


async def _notify_webhooks(
    one: MembershipWriter,
    changes: Sequence[SegmentChange],
    first: int,
    moment: ChangeOrigin,
    people: Mapping[int, Contact],
) -> None:
    """Tell webhooks of a row of the log, given its first sequence number."""
    moved = LoggedChanges(changes, first, moment, one.active_segments, people)
    await notify.notify_webhooks(one.transaction, one.workspace, one.locked, moved, one.now)
