"""Segments evaluated in full: made, changed, refreshed, and by what changes many at once."""

from dataclasses import replace
from typing import Final

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, edges_of
from diglot.membership import read, store
from diglot.membership.active_segments import LISTS
from diglot.membership.writer import Current, keep, live_now, next_changes, store_all, watch_fields
from diglot.model.membership_changes import Cause, Moment
from diglot.model.segments import Segment, SegmentType
from diglot.storage import workspaces
from diglot.storage.background import verifications
from diglot.storage.membership import instant_index, pending_members
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import Locked

# A segment of a workspace with more contacts is evaluated in the background.
EVALUATED_AT_ONCE: Final = 1_000_000


async def evaluate(one: Current, segment: Segment, cause: Cause, *, changed: bool = True) -> Segment:
    """Evaluate a segment in full and keep its membership from now on; return it with its members.

    `changed` says that its condition is another one or new. In a large workspace that is left to the
    background, and until then the segment is evaluated when it is read.
    """
    transaction, workspace = one.transaction, one.workspace
    node, moment = segment.condition.tree, Moment(one.at, cause)
    if segment.type is SegmentType.DYNAMIC and changed:
        await watch_fields(one, node)
        state = await workspaces.state(transaction, workspace)
        if state.contact_count > EVALUATED_AT_ONCE and not tree.is_draft(node):
            return await _postpone(one, segment)
    found = BitMap()
    if not tree.is_draft(node):
        found = await read.evaluated(transaction, workspace, node, one.at, one.live.zone)
    kept = await keep(one, segment.number, found, moment)
    if cause is Cause.REPAIRED and (differed := len(kept.entered) + len(kept.left)):
        await verifications.add(transaction, workspace, segments=1, contacts=differed)
    next_change = NEVER
    for edge in edges_of(node) if segment.type is SegmentType.DYNAMIC else ():
        at = await instant_index.next_change(transaction, workspace, edge, one.at, one.live.zone)
        next_change = min(next_change, at)
    await _turns_next(one, segment, next_change)
    if segment.members is None:
        await pending_members.forget(transaction, workspace, segment.number)
    if changed or segment.members is None:
        await store.changed_segments(transaction, workspace)
    return replace(segment, members=kept.members, next_change_at=next_change)


async def refresh(one: Current, segment: Segment) -> Segment:
    """Evaluate a segment again, at once in any workspace; what was wrong is counted as repaired."""
    cause = Cause.REPAIRED if segment.members is not None else first_cause(segment.revision)
    return await evaluate(one, segment, cause, changed=False)


def first_cause(revision: int) -> Cause:
    """Return why the members of a segment of a revision are in it when they are evaluated for it first."""
    return Cause.SEGMENT_CREATED if revision == 1 else Cause.SEGMENT_CHANGED


async def _postpone(one: Current, segment: Segment) -> Segment:
    await store.postpone(one.transaction, one.workspace, segment.number)
    await pending_members.forget(one.transaction, one.workspace, segment.number)
    # Until it is evaluated, time is asked about it at once.
    await _turns_next(one, segment, one.at + 1 if edges_of(segment.condition.tree) else NEVER)
    await store.changed_segments(one.transaction, one.workspace)
    return replace(segment, members=None)


async def _turns_next(one: Current, segment: Segment, next_change: int) -> None:
    if next_change != segment.next_change_at:
        await store.set_next(one.transaction, one.workspace, {segment.number: next_change})
        await workspaces.lower_next_change(one.transaction, one.workspace, next_change)


async def renamed(one: Current) -> None:
    """Note that a segment has another name, which whoever hears of its members is told."""
    await store.changed_segments(one.transaction, one.workspace)


async def changed(transaction: Transaction, workspace: int) -> None:
    """Note that segments are gone."""
    await store.changed_segments(transaction, workspace)
    await look_away(transaction, workspace)


async def look_away(transaction: Transaction, workspace: int) -> None:
    """Watch no field that no segment looks at any more: nobody would keep what is known of it."""
    known = await live_now(transaction, workspace, await workspaces.lock(transaction, workspace, moves=False))
    for name in sorted(await instant_index.watched(transaction, workspace) - known.watched):
        await instant_index.unwatch(transaction, workspace, name)


async def list_gone(one: Current) -> None:
    """Evaluate the segments that ask for lists again: a list is gone, and everyone was taken off it."""
    await store_all(one, one.live.affected((LISTS,)), Moment(one.at, Cause.LIST_CHANGED))


async def evaluate_all(transaction: Transaction, workspace: int, locked: Locked, now: int) -> None:
    """Evaluate every dynamic segment again, as a change of the time zone asks for."""
    known = await live_now(transaction, workspace, locked)
    at = max(now, locked.evaluated_at)
    one = Current(transaction, workspace, known, at, locked, now)
    for name in sorted(known.watched):
        await instant_index.unwatch(transaction, workspace, name)
        await instant_index.watch(transaction, workspace, name, known.zone)
    await store_all(one, known.everything, Moment(at, Cause.ZONE_CHANGED))
    changes = dict.fromkeys(known.nodes, NEVER) | await next_changes(one, known.nodes)
    await store.set_next(transaction, workspace, changes)
    await workspaces.set_evaluated(transaction, workspace, at, min(changes.values(), default=NEVER))
