"""Segments evaluated in full: made, changed, refreshed, and by what changes many at once."""

from dataclasses import replace
from typing import Final

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, relative_dates_of
from diglot.membership import read, store
from diglot.membership.active_segments import LISTS_FIELD
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
from diglot.storage import workspaces
from diglot.storage.background import verifications
from diglot.storage.membership import instant_index, pending_members
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import LockedWorkspace

# A segment of a workspace with more contacts is evaluated in the background.
MAX_CONTACTS_INLINE: Final = 1_000_000


async def evaluate_segment(
    one: MembershipWriter, segment: Segment, cause: Cause, *, condition_changed: bool = True
) -> Segment:
    """Evaluate a segment in full and keep its membership from now on; return it with its members.

    `changed` says that its condition is another one or new. In a large workspace that is left to the
    background, and until then the segment is evaluated when it is read.
    """
    transaction, workspace = one.transaction, one.workspace
    node, moment = segment.condition.tree, ChangeOrigin(one.effective_now, cause)
    if segment.type is SegmentType.DYNAMIC and condition_changed:
        await build_indexes(one, node)
        state = await workspaces.load_state(transaction, workspace)
        if state.contact_count > MAX_CONTACTS_INLINE and not tree.is_draft(node):
            return await _postpone_evaluation(one, segment)
    found = BitMap()
    if not tree.is_draft(node):
        found = await read.evaluate_condition(
            transaction, workspace, node, one.effective_now, one.active_segments.zone
        )
    kept = await replace_membership(one, segment.number, found, moment)
    if cause is Cause.REPAIRED and (differed := len(kept.entered) + len(kept.left)):
        await verifications.add_counts(
            transaction, workspace, repaired_segments=1, repaired_contacts=differed
        )
    next_change = NEVER
    for edge in relative_dates_of(node) if segment.type is SegmentType.DYNAMIC else ():
        at = await instant_index.find_next_flip(
            transaction, workspace, edge, one.effective_now, one.active_segments.zone
        )
        next_change = min(next_change, at)
    await _store_next_change(one, segment, next_change)
    if segment.members is None:
        await pending_members.clear(transaction, workspace, segment.number)
    if condition_changed or segment.members is None:
        await store.renew_segments_version(transaction, workspace)
    return replace(segment, members=kept.members, next_change_at=next_change)


async def refresh_segment(one: MembershipWriter, segment: Segment) -> Segment:
    """Evaluate a segment again, at once in any workspace; what was wrong is counted as repaired."""
    cause = Cause.REPAIRED if segment.members is not None else first_evaluation_cause(segment.revision)
    return await evaluate_segment(one, segment, cause, condition_changed=False)


def first_evaluation_cause(revision: int) -> Cause:
    """Return why the members of a segment of a revision are in it when they are evaluated for it first."""
    return Cause.SEGMENT_CREATED if revision == 1 else Cause.SEGMENT_CHANGED


async def _postpone_evaluation(one: MembershipWriter, segment: Segment) -> Segment:
    await store.mark_pending(one.transaction, one.workspace, segment.number)
    await pending_members.clear(one.transaction, one.workspace, segment.number)
    # Until it is evaluated, time is asked about it at once.
    await _store_next_change(
        one, segment, one.effective_now + 1 if relative_dates_of(segment.condition.tree) else NEVER
    )
    await store.renew_segments_version(one.transaction, one.workspace)
    return replace(segment, members=None)


async def _store_next_change(one: MembershipWriter, segment: Segment, next_change: int) -> None:
    if next_change != segment.next_change_at:
        await store.set_next_changes(one.transaction, one.workspace, {segment.number: next_change})
        await workspaces.lower_next_change(one.transaction, one.workspace, next_change)


async def record_segment_rename(one: MembershipWriter) -> None:
    """Note that a segment has another name, which whoever hears of its members is told."""
    await store.renew_segments_version(one.transaction, one.workspace)


async def handle_segment_deleted(transaction: Transaction, workspace: int) -> None:
    """Note that segments are gone."""
    await store.renew_segments_version(transaction, workspace)
    await drop_unused_indexes(transaction, workspace)


async def drop_unused_indexes(transaction: Transaction, workspace: int) -> None:
    """Watch no field that no segment looks at any more: nobody would keep what is known of it."""
    known = await load_active_segments(
        transaction, workspace, await workspaces.lock(transaction, workspace, moves_members=False)
    )
    for name in sorted(
        await instant_index.load_indexed_fields(transaction, workspace) - known.indexed_fields
    ):
        await instant_index.drop_index(transaction, workspace, name)


async def handle_list_deleted(one: MembershipWriter) -> None:
    """Evaluate the segments that ask for lists again: a list is gone, and everyone was taken off it."""
    await evaluate_and_store(
        one,
        one.active_segments.affected_by((LISTS_FIELD,)),
        ChangeOrigin(one.effective_now, Cause.LIST_CHANGED),
    )


async def reevaluate_all_segments(
    transaction: Transaction, workspace: int, locked: LockedWorkspace, now: int
) -> None:
    """Evaluate every dynamic segment again, as a change of the time zone asks for."""
    known = await load_active_segments(transaction, workspace, locked)
    at = max(now, locked.evaluated_at)
    one = MembershipWriter(transaction, workspace, known, at, locked, now)
    for name in sorted(known.indexed_fields):
        await instant_index.drop_index(transaction, workspace, name)
        await instant_index.build_index(transaction, workspace, name, known.zone)
    await evaluate_and_store(one, known.all_dynamic, ChangeOrigin(at, Cause.ZONE_CHANGED))
    changes = dict.fromkeys(known.conditions, NEVER) | await compute_next_changes(one, known.conditions)
    await store.set_next_changes(transaction, workspace, changes)
    await workspaces.set_evaluated(transaction, workspace, at, min(changes.values(), default=NEVER))
