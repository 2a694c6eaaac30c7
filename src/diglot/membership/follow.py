"""Updates memberships after each write of contacts, in the transaction of the write.

For an updated contact only the segments that mention a changed field are evaluated, before and after the
write; the difference is appended to the log. So stored memberships never lag behind contacts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap

from diglot.conditions.relative_dates import NEVER, RelativeDate, next_flip
from diglot.membership import store
from diglot.membership.active_segments import LISTS_FIELD, changed_fields, get_next_changes
from diglot.membership.writer import MembershipWriter, append_changes, replace_membership
from diglot.model.contact_views import views_before_and_after
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import MemberAction, Segment
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts, instant_index
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.instant_index import IndexedInstant

# A contact before and after a write; None before it is created and after it is deleted.
ContactWrite = tuple[Contact | None, Contact | None]
# The ids of static lists, by contact key.
_ListsByKey = Mapping[int, Sequence[str]]


@dataclass(slots=True)
class _MembershipMoves:
    """The keys of contacts that enter and leave each segment by a write."""

    entered: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    left: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def record_contact(self, pk: int, old: Sequence[int], new: Sequence[int]) -> None:
        """Record the segments of a contact before and after a write."""
        if old == new:
            return
        before, after = set(old), set(new)
        for number in after - before if before else new:
            self.entered[number].append(pk)
        for number in before - after if after else old:
            self.left[number].append(pk)

    def to_changes(self) -> list[SegmentChange]:
        """Return the moves as one change for each segment."""
        numbers = sorted(self.entered.keys() | self.left.keys())
        return [
            SegmentChange(number, sorted(self.entered.get(number, ())), sorted(self.left.get(number, ())))
            for number in numbers
        ]


async def load_lists(writer: MembershipWriter, written: Iterable[Contact]) -> _ListsByKey:
    """Return the static lists of contacts, or nothing if no segment mentions lists."""
    if not writer.active_segments.mention_lists(writer.active_segments.all_dynamic):
        return {}
    return await lists.load_ids_of_contacts(writer.unit, [contact.pk for contact in written])


async def follow_writes(
    writer: MembershipWriter, writes: Sequence[ContactWrite], cause: Cause, on_lists: _ListsByKey
) -> None:
    """Update memberships after writes of contacts.

    `on_lists` are the static lists of each contact, which the writes do not change.
    """
    deleted = [before for before, after in writes if before is not None and after is None]
    if deleted:
        identities = [(contact.pk, contact.id) for contact in deleted]
        await deleted_contacts.add(writer.unit, identities, writer.effective_now)
    if not writer.has_segments:
        return
    moves = _MembershipMoves()
    active_segments, at = writer.active_segments, writer.effective_now
    for before, after in writes:
        numbers = active_segments.all_dynamic
        if before is not None and after is not None:
            numbers = active_segments.affected_by(changed_fields(before, after))
        if numbers:
            pk = _contact_key(before, after)
            old, new = views_before_and_after(before, after, on_lists.get(pk, ()), active_segments.zone)
            evaluate = await active_segments.evaluator(writer.unit.transaction, numbers, 2)
            moves.record_contact(pk, evaluate(old, at), evaluate(new, at))
    if deleted and writer.active_segments.static_segments:
        await _leave_static_segments(writer, deleted, moves)
    await _update_indexes(writer, writes)
    await append_changes(
        writer, moves.to_changes(), ChangeOrigin(at, cause), _contacts_for_webhooks(writer, writes)
    )


def _newest_version(before: Contact | None, after: Contact | None) -> Contact:
    """Return a contact after a write, or before it if the write deletes the contact."""
    contact = after or before
    assert contact is not None
    return contact


def _contact_key(before: Contact | None, after: Contact | None) -> int:
    return _newest_version(before, after).pk


def _contacts_for_webhooks(writer: MembershipWriter, writes: Sequence[ContactWrite]) -> Mapping[int, Contact]:
    """Return the written contacts by key, or nothing if the workspace has no active webhook."""
    return (
        {_contact_key(*write): _newest_version(*write) for write in writes}
        if writer.unit.row.active_webhook_count
        else {}
    )


async def _leave_static_segments(
    writer: MembershipWriter, deleted: Sequence[Contact], moves: _MembershipMoves
) -> None:
    """Record that deleted contacts leave their static segments."""
    pks = [contact.pk for contact in deleted]
    among = await store.find_members_among(
        writer.unit, writer.active_segments.static_segments, pks, writer.unit.state
    )
    for number, members in among.items():
        if members:
            moves.left[number] = list(members)


async def _update_indexes(writer: MembershipWriter, writes: Sequence[ContactWrite]) -> None:
    """Update the instant indexes, and lower the next changes of segments with relative dates."""
    active_segments = writer.active_segments
    removed: list[IndexedInstant] = []
    added: list[IndexedInstant] = []
    for before, after in writes:
        old, new = active_segments.instants_of(before), active_segments.instants_of(after)
        if old != new:
            pk = _contact_key(before, after)
            removed += [(name, pk, at) for name, at in old.items() if new.get(name) != at]
            added += [(name, pk, at) for name, at in new.items() if old.get(name) != at]
    await instant_index.remove(writer.unit, removed)
    await instant_index.add(writer.unit, added)
    if added:
        await _lower_next_changes(writer, _find_next_flips(writer, added))


def _find_next_flips(writer: MembershipWriter, added: Iterable[IndexedInstant]) -> Mapping[RelativeDate, int]:
    """Return for each relative date of a field with new instants the first flip of these."""
    instants: defaultdict[str, list[int]] = defaultdict(list)
    for name, _, instant in added:
        instants[name].append(instant)
    flips: dict[RelativeDate, int] = {}
    for name, of_field in instants.items():
        of_field.sort()
        for relative_date in writer.active_segments.dates_of_field[name]:
            flips[relative_date] = next_flip(
                relative_date, of_field, writer.effective_now, writer.active_segments.zone
            )
    return flips


async def _lower_next_changes(writer: MembershipWriter, flips: Mapping[RelativeDate, int]) -> None:
    """Lower the next changes of segments that a flip comes before."""
    next_changes = await get_next_changes(writer.unit, writer.active_segments)
    lower: dict[int, int] = {}
    for relative_date, at in flips.items():
        if at < next_changes.latest_by_date[relative_date]:
            for number in writer.active_segments.by_relative_date[relative_date]:
                if at < next_changes.by_segment.get(number, NEVER):
                    lower[number] = min(at, lower.get(number, NEVER))
    if lower:
        await store.lower_next_changes(writer.unit, lower)


async def follow_list_moves(
    writer: MembershipWriter, moved: Sequence[Contact], before: Mapping[int, Sequence[str]]
) -> None:
    """Update memberships after contacts joined or left static lists.

    `before` are the lists of each contact before the write.
    """
    numbers = writer.active_segments.affected_by((LISTS_FIELD,))
    if not numbers:
        return
    after = await load_lists(writer, moved)
    moves = _MembershipMoves()
    evaluate = await writer.active_segments.evaluator(writer.unit.transaction, numbers, 2 * len(moved))
    for contact in moved:
        old = writer.active_segments.view_contact(contact, before.get(contact.pk, ()))
        new = writer.active_segments.view_contact(contact, after.get(contact.pk, ()))
        moves.record_contact(
            contact.pk, evaluate(old, writer.effective_now), evaluate(new, writer.effective_now)
        )
    known_contacts = {contact.pk: contact for contact in moved}
    await append_changes(
        writer, moves.to_changes(), ChangeOrigin(writer.effective_now, Cause.LIST_CHANGED), known_contacts
    )


async def change_static_members(
    writer: MembershipWriter, segment: Segment, action: MemberAction, ids: Sequence[str]
) -> int:
    """Set, add or remove members of a static segment; ignore unknown ids; return the new member count."""
    by_id = await queries.find_contacts_by_id(writer.unit, ids)
    known_contacts = {contact.pk: contact for contact in by_id.values()}
    given = BitMap(known_contacts)
    origin = ChangeOrigin(writer.effective_now, Cause.BY_HAND)
    if action is MemberAction.SET:
        await replace_membership(writer, segment.number, given, origin, known_contacts)
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
    return count + len(change.entered) - len(change.left)
