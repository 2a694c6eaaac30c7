"""The workspace clock, and the writer through which every membership changes.

Invariant: at `evaluated_at`, the workspace clock, each stored membership equals a full evaluation. A write
unit that changes memberships therefore first advances the clock to now (a tick), because the log must hold
the changes by time before those of the write. It then appends its own changes and enqueues their webhook
events.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, RelativeDate, relative_dates_of
from diglot.membership import compaction, notify, passage_of_time, read, store
from diglot.membership.active_segments import (
    ActiveSegments,
    find_no_segments,
    get_active_segments,
    get_next_changes,
)
from diglot.membership.event_index import filling
from diglot.membership.notify import LoggedChanges
from diglot.membership.read import clock_went_back
from diglot.membership.references.causes import split_by_cause
from diglot.membership.store import MembershipReplacement
from diglot.membership.sweep import sweep_segments
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.storage.contacts import history_index
from diglot.storage.membership import crossings, instant_index, log, pending_members
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit, open_unit

# If more segments are evaluated at the same time, one sweep costs less than a scan for each. Measured for
# 1,000 segments: 62 us for each contact in a sweep, about 240 us by scans.
SWEEP_THRESHOLD: Final = 20
NO_CONTACTS: Final[Mapping[int, Contact]] = {}
# The next change of a segment whose relative dates have no index yet; the next tick or write builds the
# index.
TIME_NOT_TRACKED: Final = 0


@dataclass(frozen=True, slots=True)
class MembershipWriter:
    """Writes the memberships in a write unit, with the workspace clock at `effective_now`."""

    unit: WriteUnit
    active_segments: ActiveSegments
    effective_now: int

    @property
    def has_segments(self) -> bool:
        """Whether the workspace has any active segment."""
        return bool(self.active_segments.conditions or self.active_segments.static_segments)


async def open_writer(unit: WriteUnit) -> MembershipWriter:
    """Advance the workspace clock to now and return a writer, before a write that changes memberships.

    The clock is left alone if it is slightly ahead of this process's clock. A second call in a unit changes
    nothing.
    """
    active_segments = await load_active_segments(unit)
    if unit.row.evaluated_at < unit.now:
        await _catch_up(unit, active_segments)
    # Read this process's clock again, because the unit may have waited for its lock.
    elif clock_went_back(unit.row.evaluated_at, unit.clock()):
        await _rewind(unit, active_segments)
    if unit.row.segments_version != active_segments.version:
        # A pending segment was evaluated: its further changes belong into the log.
        active_segments = await load_active_segments(unit)
    return MembershipWriter(unit, active_segments, unit.row.evaluated_at)


async def tick(tenant: Tenant, now: int, min_interval: int = 0) -> None:
    """Advance the workspace clock to now, unless it was advanced within the last `min_interval`."""
    async with open_unit(tenant, lambda: now) as unit:
        if unit.row.evaluated_at <= now - min_interval:
            await open_writer(unit)


async def load_active_segments(unit: WriteUnit) -> ActiveSegments:
    """Return the active segments of a locked workspace."""
    version = unit.row.segments_version
    return (
        await get_active_segments(unit, version, unit.zone) if version else find_no_segments(unit, unit.zone)
    )


async def _rewind(unit: WriteUnit, active_segments: ActiveSegments) -> None:
    """Re-evaluate segments with relative dates after the system clock was set back."""
    writer = MembershipWriter(unit, active_segments, unit.now)
    time_dependent = frozenset[int]().union(*active_segments.by_relative_date.values())
    await evaluate_and_store(writer, time_dependent, ChangeOrigin(unit.now, Cause.TIME))
    changes = await compute_next_changes(writer, time_dependent)
    await store.set_next_changes(unit, changes)
    _set_clock(unit, changes.values())


async def _catch_up(unit: WriteUnit, active_segments: ActiveSegments) -> None:
    """Apply to the stored memberships the changes by time since the workspace clock."""
    now = unit.now
    stored = (await get_next_changes(unit, active_segments)).by_segment
    by_segment = {number: at for number, at in stored.items() if number in active_segments.conditions}
    new = frozenset(number for number, at in by_segment.items() if at == TIME_NOT_TRACKED)
    due = frozenset(number for number, at in by_segment.items() if at <= now) - new
    by_time = await passage_of_time.changes_by_time(unit, active_segments, due, unit.row.evaluated_at, now)
    origin = ChangeOrigin(now, Cause.TIME)
    writer = MembershipWriter(unit, active_segments, now)
    await append_changes(writer, by_time.changes, origin)
    await evaluate_and_store(writer, by_time.to_evaluate_in_full, origin)
    for number in sorted(new):
        is_pending = number in active_segments.pending_segments
        await build_indexes(writer, active_segments.conditions[number], may_postpone=is_pending)
    changes = dict.fromkeys(new, NEVER) | await compute_next_changes(writer, due | new)
    await store.set_next_changes(unit, changes)
    by_segment |= changes
    _set_clock(unit, by_segment.values())


def _set_clock(unit: WriteUnit, next_changes: Iterable[int]) -> None:
    """Set the workspace clock to now, and the next instant at which time changes any membership."""
    unit.row.evaluated_at, unit.row.next_change_at = unit.now, min(next_changes, default=NEVER)


async def evaluate_and_store(writer: MembershipWriter, numbers: frozenset[int], origin: ChangeOrigin) -> None:
    """Evaluate dynamic segments in full and replace their members.

    Pending ones whose index is not filled yet stay pending.
    """
    numbers -= await _find_untracked(writer, numbers)
    if len(numbers) > SWEEP_THRESHOLD:
        swept = await sweep_segments(writer.unit, writer.active_segments, numbers, origin)
        await _notify_webhooks(writer, swept.changes, swept.first_entry, origin, NO_CONTACTS)
    for number in sorted(numbers) if len(numbers) <= SWEEP_THRESHOLD else ():
        node = writer.active_segments.conditions[number]
        members = await read.evaluate_condition(
            writer.unit, node, writer.effective_now, writer.active_segments.zone
        )
        await replace_membership(writer, number, members, origin)
    for number in sorted(numbers & writer.active_segments.pending_segments):
        await pending_members.clear(writer.unit, number)
        store.renew_segments_version(writer.unit, [number])


async def _find_untracked(writer: MembershipWriter, numbers: frozenset[int]) -> frozenset[int]:
    """Return the pending ones of some segments that have a field whose index is not filled."""
    active = writer.active_segments
    pending = numbers & active.pending_segments
    unfilled = {
        number: await filling.find_unfilled(writer.unit, active.conditions[number]) for number in pending
    }
    return frozenset(number for number, fields in unfilled.items() if fields)


async def build_indexes(writer: MembershipWriter, node: tree.Node, *, may_postpone: bool = False) -> None:
    """Build the missing instant indexes of the fields that a condition compares with relative dates.

    Those of many events may be left to the first evaluation of a pending segment.
    """
    fields = {relative_date.field for relative_date in relative_dates_of(node)}
    if may_postpone and filling.has_many_events(writer.unit):
        fields = {field for field in fields if not filling.is_of_events(field)}
    if fields:
        indexed = await history_index.load_indexed_fields(writer.unit)
        for name in sorted(name for name in fields if history_index.key_of(name) not in indexed):
            await instant_index.build_index(writer.unit, name, writer.active_segments.zone)


async def compute_next_changes(writer: MembershipWriter, numbers: Iterable[int]) -> dict[int, int]:
    """Return for each segment with relative dates the next instant at which time can change it."""
    active = writer.active_segments
    dates_of = {number: relative_dates_of(active.conditions[number]) for number in numbers}
    relative_dates = frozenset[RelativeDate]().union(*dates_of.values())
    flips = await crossings.find_next_flips(writer.unit, relative_dates, writer.effective_now, active.zone)
    return {number: min(flips[one] for one in dates) for number, dates in dates_of.items() if dates}


async def replace_membership(  # noqa: PLR0913 - one segment, its members, and why
    writer: MembershipWriter,
    number: int,
    members: BitMap,
    origin: ChangeOrigin,
    known_contacts: Mapping[int, Contact] = NO_CONTACTS,
    *,
    is_new: bool = False,
) -> MembershipReplacement:
    """Replace the members of a segment; `known_contacts` are contacts that need not be loaded again."""
    replacement = await store.replace_members(writer.unit, number, members, origin, is_new=is_new)
    change = SegmentChange(number, replacement.entered, replacement.left)
    await _notify_webhooks(writer, [change], replacement.first_entry, origin, known_contacts)
    return replacement


async def append_changes(
    writer: MembershipWriter,
    changes: Sequence[SegmentChange],
    origin: ChangeOrigin,
    known_contacts: Mapping[int, Contact] = NO_CONTACTS,
    moved: Sequence[SegmentChange] = (),
) -> None:
    """Append changes to the log, one row for each cause, and compact the log if it has become long.

    `moved` are changes that are logged already, of segments that these changes may follow from.
    Changes of pending segments are stored apart, because the scan in progress is merged with them.
    """
    pending_segments, logged = writer.active_segments.pending_segments, changes
    if pending_segments:
        pending = [change for change in changes if change.segment in pending_segments]
        await pending_members.record(writer.unit, pending)
        logged = [change for change in changes if change.segment not in pending_segments]
    if not logged:
        return
    graph = writer.active_segments.graph
    for row_origin, row in split_by_cause(logged, origin, graph, (*changes, *moved)):
        first = await log.append(writer.unit, row, row_origin)
        await _notify_webhooks(writer, row, first, row_origin, known_contacts)
    await compaction.compact_if_long(writer.unit, writer.active_segments, len(logged))


async def _notify_webhooks(
    writer: MembershipWriter,
    changes: Sequence[SegmentChange],
    first_entry: int,
    origin: ChangeOrigin,
    known_contacts: Mapping[int, Contact],
) -> None:
    """Enqueue webhook events for a row of the log, given its first entry."""
    if not writer.unit.row.active_webhook_count:
        return
    logged = LoggedChanges(changes, first_entry, origin, writer.active_segments, known_contacts)
    await notify.notify_webhooks(writer.unit, logged)
