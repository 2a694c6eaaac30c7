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
from diglot.storage.membership import instant_index, log, pending_members
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.sql.engine import Transaction
from diglot.storage.write_unit import WriteUnit, open_unit

# Where more segments are evaluated at once, one walk over the contacts costs less than a scan for each.
SWEEP_THRESHOLD: Final = 20
NO_CONTACTS: Final[Mapping[int, Contact]] = {}
# Time is followed for a segment of an older database from the first write or tick on; until it is evaluated,
# what it is then is found by a scan.
TIME_NOT_TRACKED: Final = 0


@dataclass(frozen=True, slots=True)
class MembershipWriter:
    """The stored memberships of a write unit, which are right at `effective_now`, and may move."""

    unit: WriteUnit
    active_segments: ActiveSegments
    effective_now: int

    @property
    def transaction(self) -> Transaction:
        """The transaction of the unit."""
        return self.unit.transaction

    @property
    def workspace(self) -> int:
        """The workspace of the unit."""
        return self.unit.workspace

    @property
    def has_segments(self) -> bool:
        """Whether there is any segment to follow contacts into."""
        return bool(self.active_segments.conditions or self.active_segments.static_segments)


async def open_writer(unit: WriteUnit) -> MembershipWriter:
    """Bring the clock of a workspace to now, before anything is written that moves memberships.

    It stays where it is when it is a little ahead of this process's. Within one unit only the first call
    finds something to do.
    """
    known = await load_active_segments(unit)
    if unit.row.evaluated_at < unit.now:
        await _catch_up(unit, known)
    # The unit may have waited for its lock, while others set the clock of the workspace.
    elif clock_went_back(unit.row.evaluated_at, unit.clock()):
        await _rewind(unit, known)
    return MembershipWriter(unit, known, unit.row.evaluated_at)


async def tick(transaction: Transaction, workspace: int, now: int, min_interval: int = 0) -> None:
    """Do to the stored memberships of a workspace what time did, if nobody did it within the last `rest`."""
    async with open_unit(transaction, workspace, lambda: now) as unit:
        if unit.row.evaluated_at <= now - min_interval:
            await open_writer(unit)


async def load_active_segments(unit: WriteUnit) -> ActiveSegments:
    """Return the live segments of a locked workspace."""
    if not unit.row.segments_version:
        return ActiveSegments(0, unit.zone)
    return await get_active_segments(unit.transaction, unit.workspace, unit.row.segments_version, unit.zone)


async def _rewind(unit: WriteUnit, known: ActiveSegments) -> None:
    """Evaluate what time moves at an instant that is earlier than the clock was: it had been ahead."""
    writer = MembershipWriter(unit, known, unit.now)
    moved = frozenset[int]().union(*known.by_relative_date.values())
    await evaluate_and_store(writer, moved, ChangeOrigin(unit.now, Cause.TIME))
    changes = await compute_next_changes(writer, moved)
    await store.set_next_changes(unit, changes)
    _set_clock(unit, changes.values())


async def _catch_up(unit: WriteUnit, known: ActiveSegments) -> None:
    """Do to the stored memberships what time did."""
    now = unit.now
    found = (await get_next_changes(unit, known)).by_segment
    by_segment = {number: at for number, at in found.items() if number in known.conditions}
    new = frozenset(number for number, at in by_segment.items() if at == TIME_NOT_TRACKED)
    due = frozenset(number for number, at in by_segment.items() if at <= now) - new
    passed = await passage_of_time.changes_by_time(
        unit.transaction, unit.workspace, known, due, unit.row.evaluated_at, now
    )
    moment = ChangeOrigin(now, Cause.TIME)
    writer = MembershipWriter(unit, known, now)
    await append_changes(writer, passed.changes, moment)
    await evaluate_and_store(writer, passed.to_evaluate_in_full, moment)
    for number in sorted(new):
        await build_indexes(writer, known.conditions[number])
    changes = dict.fromkeys(new, NEVER) | await compute_next_changes(writer, due | new)
    await store.set_next_changes(unit, changes)
    by_segment |= changes
    _set_clock(unit, by_segment.values())


def _set_clock(unit: WriteUnit, next_changes: Iterable[int]) -> None:
    """Note that all stored memberships are right now, and before which instant none changes by time."""
    unit.row.evaluated_at, unit.row.next_change_at = unit.now, min(next_changes, default=NEVER)


async def evaluate_and_store(one: MembershipWriter, numbers: frozenset[int], moment: ChangeOrigin) -> None:
    """Evaluate dynamic segments in full and store what is found."""
    transaction, workspace = one.transaction, one.workspace
    if len(numbers) > SWEEP_THRESHOLD:
        swept = await sweep_segments(one.unit, one.active_segments, numbers, moment)
        await _notify_webhooks(one, swept.changes, swept.first_entry, moment, NO_CONTACTS)
    for number in sorted(numbers) if len(numbers) <= SWEEP_THRESHOLD else ():
        node = one.active_segments.conditions[number]
        found = await read.evaluate_condition(
            transaction, workspace, node, one.effective_now, one.active_segments.zone
        )
        await replace_membership(one, number, found, moment)
    for number in sorted(numbers & one.active_segments.pending_segments):
        await pending_members.clear(transaction, workspace, number)
        store.renew_segments_version(one.unit)


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


async def replace_membership(  # noqa: PLR0913 - one segment, and what is known of it
    one: MembershipWriter,
    number: int,
    found: BitMap,
    moment: ChangeOrigin,
    known_contacts: Mapping[int, Contact] = NO_CONTACTS,
    *,
    is_new: bool = False,
) -> MembershipReplacement:
    """Store a whole membership in place of the one that is stored; `known_contacts` are contacts at hand."""
    kept = await store.replace_members(one.unit, number, found, moment, is_new=is_new)
    change = SegmentChange(number, kept.entered, kept.left)
    await _notify_webhooks(one, [change], kept.first_entry, moment, known_contacts)
    return kept


async def append_changes(
    one: MembershipWriter,
    changes: Sequence[SegmentChange],
    moment: ChangeOrigin,
    known_contacts: Mapping[int, Contact] = NO_CONTACTS,
) -> None:
    """Log who entered and left segments, and fold the log when it is long."""
    waiting = [change for change in changes if change.segment in one.active_segments.pending_segments]
    await pending_members.record(one.transaction, one.workspace, waiting)
    logged = [change for change in changes if change.segment not in one.active_segments.pending_segments]
    if not logged:
        return
    first = await log.append(one.unit, logged, moment)
    await _notify_webhooks(one, logged, first, moment, known_contacts)
    if store.needs_compaction(one.active_segments, one.unit.row):
        await store.compact_log(one.unit, one.active_segments)


async def _notify_webhooks(
    one: MembershipWriter,
    changes: Sequence[SegmentChange],
    first: int,
    moment: ChangeOrigin,
    people: Mapping[int, Contact],
) -> None:
    """Tell webhooks of a row of the log, given its first sequence number."""
    moved = LoggedChanges(changes, first, moment, one.active_segments, people)
    await notify.notify_webhooks(one.unit, moved)
