"""Changes of the members of a static segment by hand, and what follows from them in other segments."""

from collections.abc import Sequence

from pyroaring import BitMap

from diglot.conditions.computed_fields import SEGMENTS
from diglot.membership import store
from diglot.membership.follow import load_around
from diglot.membership.moves import match_moves_around
from diglot.membership.writer import MembershipWriter, append_changes, replace_membership
from diglot.model.contact_views import NO_SURROUNDINGS, Surroundings
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import MemberAction, Segment
from diglot.storage.contacts import queries
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.slices import split_into_slices


async def change_static_members(
    writer: MembershipWriter, segment: Segment, action: MemberAction, ids: Sequence[str]
) -> int:
    """Set, add or remove members of a static segment; ignore unknown ids; return the new member count."""
    by_id = await queries.find_contacts_by_id(writer.unit, ids)
    known_contacts = {contact.pk: contact for contact in by_id.values()}
    given = BitMap(known_contacts)
    origin = ChangeOrigin(writer.effective_now, Cause.BY_HAND)
    if action is MemberAction.SET:
        replaced = await replace_membership(writer, segment.number, given, origin, known_contacts)
        change = SegmentChange(segment.number, replaced.entered, replaced.left)
        await _follow_static_moves(writer, change, origin)
        return len(given)
    assert segment.members is not None
    delta = await store.get_delta(writer.unit, writer.unit.state)
    count = delta.count_members(segment.number, segment.members)
    among = await store.find_members_among(writer.unit, [segment.number], given, writer.unit.state)
    members = among.get(segment.number, BitMap())
    if action is MemberAction.ADD:
        change = SegmentChange(segment.number, given - members, BitMap())
    else:
        change = SegmentChange(segment.number, BitMap(), members)
    if change.entry_count:
        await append_changes(writer, [change], origin, known_contacts)
        await _follow_static_moves(writer, change, origin)
    return count + len(change.entered) - len(change.left)


async def _follow_static_moves(writer: MembershipWriter, change: SegmentChange, origin: ChangeOrigin) -> None:
    """Update the memberships of segments that reference a static one, after contacts moved in it."""
    active, value = writer.active_segments, str(change.segment)
    if change.segment not in active.find_static_references(active.all_dynamic):
        return
    for pks in split_into_slices(sorted({*change.entered, *change.left})):
        moved = await queries.load_contacts(writer.unit, pks)
        after = await load_around(writer, moved)
        before = {pk: _toggle_segment(after.get(pk, NO_SURROUNDINGS), value) for pk in pks}
        sides, at = (before, after), writer.effective_now
        moves = await match_moves_around(writer.unit, active, moved, sides, SEGMENTS, at)
        known = {contact.pk: contact for contact in moved}
        await append_changes(writer, moves.to_changes(), origin, known, moved=[change])


def _toggle_segment(around: Surroundings, value: str) -> Surroundings:
    """Return what was around a contact before it moved in a static segment."""
    others = [one for one in around.segments if one != value]
    return around._replace(segments=others if value in around.segments else [*others, value])
