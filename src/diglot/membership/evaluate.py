"""Segments evaluated in full: made, changed, refreshed, and by what changes many at once."""

from dataclasses import dataclass, replace
from typing import Final

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, relative_dates_of
from diglot.membership import read, store
from diglot.membership.active_segments import LISTS_FIELD
from diglot.membership.store import MembershipReplacement
from diglot.membership.writer import (
    MembershipWriter,
    build_indexes,
    compute_next_changes,
    evaluate_and_store,
    load_active_segments,
    replace_membership,
)
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import Segment, SegmentType
from diglot.storage.background import verifications
from diglot.storage.membership import instant_index, pending_members, segment_state
from diglot.storage.write_unit import WriteUnit

# A segment of a workspace with more contacts is evaluated in the background.
MAX_CONTACTS_INLINE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EvaluatedSegment:
    """A segment as it is stored now. `count` is None where a read has to find it."""

    segment: Segment
    count: int | None = None


async def evaluate_segment(
    one: MembershipWriter, segment: Segment, cause: Cause, *, condition_changed: bool = True
) -> EvaluatedSegment:
    """Evaluate a segment in full and keep its membership from now on.

    In a large workspace a new condition is left to the background, and until then the segment is evaluated
    when it is read.
    """
    unit, node = one.unit, segment.condition.tree
    is_new = cause is Cause.SEGMENT_CREATED and condition_changed
    if segment.type is SegmentType.DYNAMIC and condition_changed:
        await build_indexes(one, node)
        if unit.row.contact_count > MAX_CONTACTS_INLINE and not tree.is_draft(node):
            return await _postpone_evaluation(one, segment, is_new=is_new)
    found = BitMap()
    if not tree.is_draft(node):
        zone = one.active_segments.zone
        found = await read.evaluate_condition(one.transaction, one.workspace, node, one.effective_now, zone)
    moment = ChangeOrigin(one.effective_now, cause)
    kept = await replace_membership(one, segment.number, found, moment, is_new=is_new)
    if cause is Cause.REPAIRED and (differed := len(kept.entered) + len(kept.left)):
        repaired = {"repaired_segments": 1, "repaired_contacts": differed}
        await verifications.add_counts(one.transaction, one.workspace, **repaired)
    next_change = await _find_next_change(one, node) if segment.type is SegmentType.DYNAMIC else NEVER
    await _store_next_change(one, segment, next_change)
    if segment.members is None and not is_new:
        await pending_members.clear(one.transaction, one.workspace, segment.number)
    if condition_changed or segment.members is None:
        store.renew_segments_version(unit)
    return EvaluatedSegment(_with_members(unit, segment, kept, next_change), len(found))


def _with_members(
    unit: WriteUnit, segment: Segment, kept: MembershipReplacement, next_change: int
) -> Segment:
    """Return a segment as it is stored: what is stored for the first time has a history from now on."""
    since = unit.last_entry if segment.since_entry is None else segment.since_entry
    return replace(segment, members=kept.members, next_change_at=next_change, since_entry=since)


async def _find_next_change(writer: MembershipWriter, node: tree.Node) -> int:
    """Return the instant at which time alone changes the membership of a condition next, or `NEVER`."""
    at, zone = writer.effective_now, writer.active_segments.zone
    flips = [
        await instant_index.find_next_flip(writer.transaction, writer.workspace, edge, at, zone)
        for edge in relative_dates_of(node)
    ]
    return min(flips, default=NEVER)


async def refresh_segment(one: MembershipWriter, segment: Segment) -> EvaluatedSegment:
    """Evaluate a segment again, at once in any workspace; what was wrong is counted as repaired."""
    cause = Cause.REPAIRED if segment.members is not None else first_evaluation_cause(segment.revision)
    return await evaluate_segment(one, segment, cause, condition_changed=False)


def first_evaluation_cause(revision: int) -> Cause:
    """Return why the members of a segment of a revision are in it when they are evaluated for it first."""
    return Cause.SEGMENT_CREATED if revision == 1 else Cause.SEGMENT_CHANGED


async def _postpone_evaluation(one: MembershipWriter, segment: Segment, *, is_new: bool) -> EvaluatedSegment:
    if not is_new:
        await segment_state.clear_members(one.transaction, one.workspace, segment.number)
        await pending_members.clear(one.transaction, one.workspace, segment.number)
    # Until it is evaluated, time is asked about it at once.
    next_change = one.effective_now + 1 if relative_dates_of(segment.condition.tree) else NEVER
    await _store_next_change(one, segment, next_change)
    store.renew_segments_version(one.unit)
    return EvaluatedSegment(replace(segment, members=None, next_change_at=next_change))


async def _store_next_change(one: MembershipWriter, segment: Segment, next_change: int) -> None:
    if next_change != segment.next_change_at:
        await store.set_next_changes(one.unit, {segment.number: next_change})
        one.unit.lower_next_change(next_change)


async def handle_segment_deleted(unit: WriteUnit) -> None:
    """Note that segments are gone."""
    store.renew_segments_version(unit)
    await drop_unused_indexes(unit)


async def drop_unused_indexes(unit: WriteUnit) -> None:
    """Watch no field that no segment looks at any more: nobody would keep what is known of it."""
    known = await load_active_segments(unit)
    indexed = await instant_index.load_indexed_fields(unit.transaction, unit.workspace)
    for name in sorted(indexed - known.indexed_fields):
        await instant_index.drop_index(unit.transaction, unit.workspace, name)


async def handle_list_deleted(one: MembershipWriter) -> None:
    """Evaluate the segments that ask for lists again: a list is gone, and everyone was taken off it."""
    await evaluate_and_store(
        one,
        one.active_segments.affected_by((LISTS_FIELD,)),
        ChangeOrigin(one.effective_now, Cause.LIST_CHANGED),
    )


async def reevaluate_all_segments(unit: WriteUnit) -> None:
    """Evaluate every dynamic segment again, as a change of the time zone asks for."""
    known = await load_active_segments(unit)
    at = max(unit.now, unit.row.evaluated_at)
    one = MembershipWriter(unit, known, at)
    for name in sorted(known.indexed_fields):
        await instant_index.drop_index(unit.transaction, unit.workspace, name)
        await instant_index.build_index(unit.transaction, unit.workspace, name, known.zone)
    await evaluate_and_store(one, known.all_dynamic, ChangeOrigin(at, Cause.ZONE_CHANGED))
    changes = dict.fromkeys(known.conditions, NEVER) | await compute_next_changes(one, known.conditions)
    await store.set_next_changes(unit, changes)
    unit.row.evaluated_at, unit.row.next_change_at = at, min(changes.values(), default=NEVER)
