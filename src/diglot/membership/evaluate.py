"""Evaluates segments in full: at creation, after updates and refreshes, and when many change at once."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace
from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, relative_dates_of
from diglot.membership import read, store
from diglot.membership.active_segments import LISTS_FIELD
from diglot.membership.event_index import filling
from diglot.membership.store import MembershipReplacement
from diglot.membership.writer import (
    MembershipWriter,
    append_changes,
    build_indexes,
    compute_next_changes,
    evaluate_and_store,
    load_active_segments,
    replace_membership,
)
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import Segment, SegmentType
from diglot.storage.background import verifications
from diglot.storage.contacts import history_index
from diglot.storage.membership import crossings, instant_index, pending_members, segment_state
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.write_unit import WriteUnit

# In a workspace with more contacts the first evaluation runs in the background.
MAX_CONTACTS_INLINE: Final = 1_000_000


class EvaluatedSegment(msgspec.Struct, frozen=True):
    """A segment as it is stored now. `count` is None if the segment is pending, so a read has to count.

    `change` says who entered and left, if it was evaluated.
    """

    segment: Segment
    count: int | None = None
    change: SegmentChange | None = None


async def evaluate_segment(
    writer: MembershipWriter, segment: Segment, cause: Cause, *, condition_changed: bool = True
) -> EvaluatedSegment:
    """Evaluate a segment in full and store its members, which then follow every write.

    In a large workspace a new condition is evaluated in the background, and so is one that reads many events;
    until then every read evaluates it.
    """
    unit, node = writer.unit, segment.evaluated_tree
    is_new = cause is Cause.SEGMENT_CREATED and condition_changed
    if segment.type is SegmentType.DYNAMIC and condition_changed:
        await build_indexes(writer, node, may_postpone=True)
        if _costs_much(unit, node) and not tree.is_draft(node):
            return await _postpone_evaluation(writer, segment, is_new=is_new)
    if segment.type is SegmentType.DYNAMIC and await filling.find_unfilled(unit, node):
        return EvaluatedSegment(segment)
    members = await _find_members(writer, node)
    origin = ChangeOrigin(writer.effective_now, cause)
    replacement = await replace_membership(writer, segment.number, members, origin, is_new=is_new)
    if cause is Cause.REPAIRED and (differed := len(replacement.entered) + len(replacement.left)):
        await verifications.add_counts(writer.unit, repaired_segments=1, repaired_contacts=differed)
    next_change = await _find_next_change(writer, node) if segment.type is SegmentType.DYNAMIC else NEVER
    await _store_next_change(writer, segment, next_change)
    if segment.members is None and not is_new:
        await pending_members.clear(writer.unit, segment.number)
    if condition_changed or segment.members is None:
        store.renew_segments_version(unit, [segment.number])
    change = SegmentChange(segment.number, replacement.entered, replacement.left)
    return EvaluatedSegment(_with_members(unit, segment, replacement, next_change), len(members), change)


async def _find_members(writer: MembershipWriter, node: tree.Node) -> BitMap:
    if tree.is_draft(node):
        return BitMap()
    return await read.evaluate_condition(writer.unit, node, writer.effective_now, writer.active_segments.zone)


def _costs_much(unit: WriteUnit, node: tree.Node) -> bool:
    """Tell whether a full evaluation takes so long that it is left to the background."""
    if unit.row.contact_count > MAX_CONTACTS_INLINE:
        return True
    return filling.has_many_events(unit) and filling.reads_events(node)


async def evaluate_dependent(
    writer: MembershipWriter, segment: Segment, origin: ChangeOrigin, moved: Sequence[SegmentChange]
) -> SegmentChange | None:
    """Evaluate a segment in full after those moved that it references; return who entered and left.

    Return None if it is left to the background.
    """
    unit, node = writer.unit, segment.evaluated_tree
    if segment.members is None or _costs_much(unit, node):
        return (await evaluate_segment(writer, segment, origin.cause)).change
    await build_indexes(writer, node)
    before = await store.load_members(unit, segment.number, unit.state)
    members = await _find_members(writer, node)
    change = SegmentChange(segment.number, members - before, before - members)
    if change.entry_count:
        await append_changes(writer, [change], origin, moved=moved)
    await _store_next_change(writer, segment, await _find_next_change(writer, node))
    store.renew_segments_version(unit, [segment.number])
    return change


async def fill_new_segment(writer: MembershipWriter, segment: Segment, members: BitMap) -> EvaluatedSegment:
    """Store the members of a new static segment, whose condition is not asked."""
    origin = ChangeOrigin(writer.effective_now, Cause.SEGMENT_CREATED)
    replacement = await replace_membership(writer, segment.number, members, origin, is_new=True)
    store.renew_segments_version(writer.unit, [segment.number])
    return EvaluatedSegment(_with_members(writer.unit, segment, replacement, NEVER), len(members))


def _with_members(
    unit: WriteUnit, segment: Segment, replacement: MembershipReplacement, next_change: int
) -> Segment:
    """Return a segment as it is stored; its history begins with its first stored members."""
    since = unit.last_entry if segment.since_entry is None else segment.since_entry
    return replace(segment, members=replacement.members, next_change_at=next_change, since_entry=since)


async def _find_next_change(writer: MembershipWriter, node: tree.Node) -> int:
    """Return the next instant at which time alone can change the members of a condition, or `NEVER`."""
    at, zone = writer.effective_now, writer.active_segments.zone
    return await crossings.find_first_flip(writer.unit, relative_dates_of(node), at, zone)


async def refresh_segment(writer: MembershipWriter, segment: Segment) -> EvaluatedSegment:
    """Evaluate a segment again, never in the background; count corrected members as repaired."""
    cause = Cause.REPAIRED if segment.members is not None else first_evaluation_cause(segment)
    return await evaluate_segment(writer, segment, cause, condition_changed=False)


def first_evaluation_cause(segment: Segment) -> Cause:
    """Return the cause that the first evaluation of a condition records in the log.

    A segment with a history had another condition before, maybe in the rules of one that it references.
    """
    is_new = segment.revision == 1 and segment.since_entry is None
    return Cause.SEGMENT_CREATED if is_new else Cause.SEGMENT_CHANGED


async def _postpone_evaluation(
    writer: MembershipWriter, segment: Segment, *, is_new: bool
) -> EvaluatedSegment:
    if not is_new:
        await segment_state.clear_members(writer.unit, segment.number)
        await pending_members.clear(writer.unit, segment.number)
    # The next tick starts tracking its relative dates.
    next_change = writer.effective_now + 1 if relative_dates_of(segment.evaluated_tree) else NEVER
    await _store_next_change(writer, segment, next_change)
    store.renew_segments_version(writer.unit, [segment.number])
    return EvaluatedSegment(replace(segment, members=None, next_change_at=next_change))


async def _store_next_change(writer: MembershipWriter, segment: Segment, next_change: int) -> None:
    if next_change != segment.next_change_at:
        await store.set_next_changes(writer.unit, {segment.number: next_change})
        writer.unit.lower_next_change(next_change)


async def handle_segment_deleted(unit: WriteUnit, segment: int) -> None:
    """Renew the version of the active segments, and drop instant indexes that no segment uses now."""
    store.renew_segments_version(unit, [segment])
    await drop_unused_indexes(unit)


async def drop_unused_indexes(unit: WriteUnit) -> None:
    """Drop the instant index of fields that no segment uses any more; it would no longer be maintained."""
    active_segments = await load_active_segments(unit)
    indexed = await history_index.load_indexed_fields(unit)
    used = set(map(history_index.key_of, active_segments.dates_of_field))
    for name in sorted(indexed - used):
        await instant_index.drop_index(unit, name)
    for name in sorted((await history_index.load_filling_fields(unit)).keys() - used):
        await instant_index.drop_filling(unit, name)


async def handle_list_deleted(writer: MembershipWriter) -> None:
    """Evaluate the segments that mention lists again, because a deleted list has no members."""
    await evaluate_and_store(
        writer,
        writer.active_segments.affected_by(LISTS_FIELD),
        ChangeOrigin(writer.effective_now, Cause.LIST_CHANGED),
    )


async def reevaluate_all_segments(unit: WriteUnit) -> None:
    """Evaluate every dynamic segment again, because the time zone of the workspace changed."""
    active_segments = await load_active_segments(unit)
    at = max(unit.now, unit.row.evaluated_at)
    writer = MembershipWriter(unit, active_segments, at)
    for name in sorted(active_segments.dates_of_field):
        await instant_index.drop_index(unit, name)
        await instant_index.build_index(unit, name, active_segments.zone)
    await evaluate_and_store(writer, active_segments.all_dynamic, ChangeOrigin(at, Cause.ZONE_CHANGED))
    changes = dict.fromkeys(active_segments.conditions, NEVER) | await compute_next_changes(
        writer, active_segments.conditions
    )
    await store.set_next_changes(unit, changes)
    unit.row.evaluated_at, unit.row.next_change_at = at, min(changes.values(), default=NEVER)
