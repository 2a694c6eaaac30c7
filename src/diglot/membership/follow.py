"""Memberships follow every write: who may have moved is asked again, in the same transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap

from diglot.conditions.fields import ATTRIBUTE_PREFIX
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

# A contact before and after a write; nothing before it came, nothing after it went.
ContactWrite = tuple[Contact | None, Contact | None]


@dataclass(slots=True)
class _MembershipMoves:
    """Who enters and leaves which segments by a write of some contacts."""

    entered: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    left: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def record_contact(self, pk: int, was: Sequence[int], is_: Sequence[int]) -> None:
        """Note the segments of a contact before and after."""
        if was == is_:
            return
        before, after = set(was), set(is_)
        for number in after - before if before else is_:
            self.entered[number].append(pk)
        for number in before - after if after else was:
            self.left[number].append(pk)

    def to_changes(self) -> list[SegmentChange]:
        """Return them by segment."""
        numbers = sorted(self.entered.keys() | self.left.keys())
        return [
            SegmentChange(number, sorted(self.entered.get(number, ())), sorted(self.left.get(number, ())))
            for number in numbers
        ]


async def load_lists(one: MembershipWriter, written: Iterable[Contact]) -> Mapping[int, Sequence[str]]:
    """Return the lists that contacts are on, where any segment asks."""
    if not one.active_segments.mention_lists(one.active_segments.all_dynamic):
        return {}
    return await lists.load_ids_of_contacts(
        one.transaction, one.workspace, [contact.pk for contact in written]
    )


async def follow_writes(
    one: MembershipWriter, writes: Sequence[ContactWrite], cause: Cause, on_lists: Mapping[int, Sequence[str]]
) -> None:
    """Bring the memberships up to date with writes of contacts that were made.

    `on_lists` are the lists that each is on, before and after.
    """
    gone = [before for before, after in writes if before is not None and after is None]
    if gone:
        identities = [(contact.pk, contact.id) for contact in gone]
        await deleted_contacts.add(one.transaction, one.workspace, identities, one.effective_now)
    if not one.has_segments:
        return
    moves = _MembershipMoves()
    known, at = one.active_segments, one.effective_now
    for before, after in writes:
        numbers = known.all_dynamic
        if before is not None and after is not None:
            numbers = known.affected_by(changed_fields(before, after))
        if numbers:
            pk = _contact_key(before, after)
            was, is_ = views_before_and_after(before, after, on_lists.get(pk, ()), known.zone)
            evaluate = await known.evaluator(one.transaction, numbers, 2)
            moves.record_contact(pk, evaluate(was, at), evaluate(is_, at))
    if gone and one.active_segments.static_segments:
        await _leave_static_segments(one, gone, moves)
    await _update_indexes(one, writes)
    await append_changes(
        one, moves.to_changes(), ChangeOrigin(at, cause), _contacts_for_webhooks(one, writes)
    )


def _newest_version(before: Contact | None, after: Contact | None) -> Contact:
    """Return a contact as it is after a write, or as it was before it went."""
    contact = after or before
    assert contact is not None
    return contact


def _contact_key(before: Contact | None, after: Contact | None) -> int:
    return _newest_version(before, after).pk


def _contacts_for_webhooks(one: MembershipWriter, writes: Sequence[ContactWrite]) -> Mapping[int, Contact]:
    """Return the written contacts for those who are told of them, if anybody is."""
    return (
        {_contact_key(*write): _newest_version(*write) for write in writes}
        if one.unit.row.active_webhook_count
        else {}
    )


async def _leave_static_segments(
    one: MembershipWriter, gone: Sequence[Contact], moves: _MembershipMoves
) -> None:
    """Take deleted contacts out of the static segments."""
    pks = [contact.pk for contact in gone]
    among = await store.find_members_among(
        one.transaction, one.workspace, one.active_segments.static_segments, pks, one.unit.state
    )
    for number, there in among.items():
        if there:
            moves.left[number] = list(there)


async def _update_indexes(one: MembershipWriter, writes: Sequence[ContactWrite]) -> None:
    """Keep the instants that conditions with days look at, and when time will change a membership."""
    turns: dict[RelativeDate, int] = {}
    for name in one.active_segments.indexed_fields:
        gone: list[tuple[int, int]] = []
        new: list[tuple[int, int]] = []
        for before, after in writes:
            if _field_is_unchanged(before, after, name):
                continue
            was, is_ = (
                one.active_segments.instant_of(before, name),
                one.active_segments.instant_of(after, name),
            )
            if was != is_:
                pk = _contact_key(before, after)
                gone += [(pk, was)] if was is not None else []
                new += [(pk, is_)] if is_ is not None else []
        await instant_index.remove(one.transaction, one.workspace, name, gone)
        await instant_index.add(one.transaction, one.workspace, name, new)
        if new:
            _collect_next_flips(one, name, [instant for _, instant in new], turns)
    if turns:
        await _lower_next_changes(one, turns)


def _field_is_unchanged(before: Contact | None, after: Contact | None, name: str) -> bool:
    """Tell cheaply whether a field holds what it held; False where that is not known."""
    if before is None or after is None or not name.startswith(ATTRIBUTE_PREFIX):
        return False
    return before.attributes == after.attributes


def _collect_next_flips(
    one: MembershipWriter, name: str, instants: Sequence[int], turns: dict[RelativeDate, int]
) -> None:
    """Note for each edge of a field when the first of some instants turns."""
    ascending = sorted(instants)
    for edge in one.active_segments.by_relative_date:
        if edge.field == name:
            turns[edge] = next_flip(edge, ascending, one.effective_now, one.active_segments.zone)


async def _lower_next_changes(one: MembershipWriter, turns: Mapping[RelativeDate, int]) -> None:
    """Note that time changes memberships earlier than was known, where it does."""
    known = await get_next_changes(one.unit, one.active_segments)
    lower: dict[int, int] = {}
    for edge, at in turns.items():
        if at < known.latest_by_date[edge]:
            for number in one.active_segments.by_relative_date[edge]:
                if at < known.by_segment.get(number, NEVER):
                    lower[number] = min(at, lower.get(number, NEVER))
    if lower:
        await store.lower_next_changes(one.unit, lower)


async def follow_list_moves(
    one: MembershipWriter, moved: Sequence[Contact], before: Mapping[int, Sequence[str]]
) -> None:
    """Bring the memberships up to date with contacts that came to static lists or left them.

    `before` are the lists that each was on.
    """
    numbers = one.active_segments.affected_by((LISTS_FIELD,))
    if not numbers:
        return
    after = await load_lists(one, moved)
    moves = _MembershipMoves()
    evaluate = await one.active_segments.evaluator(one.transaction, numbers, 2 * len(moved))
    for contact in moved:
        was = one.active_segments.view_contact(contact, before.get(contact.pk, ()))
        is_ = one.active_segments.view_contact(contact, after.get(contact.pk, ()))
        moves.record_contact(contact.pk, evaluate(was, one.effective_now), evaluate(is_, one.effective_now))
    people = {contact.pk: contact for contact in moved}
    await append_changes(one, moves.to_changes(), ChangeOrigin(one.effective_now, Cause.LIST_CHANGED), people)


async def change_static_members(
    one: MembershipWriter, segment: Segment, action: MemberAction, ids: Sequence[str]
) -> int:
    """Change the members of a static segment and return how many it has; unknown ids are passed over."""
    transaction, workspace = one.transaction, one.workspace
    found = await queries.find_contacts_by_id(transaction, workspace, ids)
    people = {contact.pk: contact for contact in found.values()}
    named = BitMap(people)
    moment = ChangeOrigin(one.effective_now, Cause.BY_HAND)
    if action is MemberAction.SET:
        await replace_membership(one, segment.number, named, moment, people)
        return len(named)
    assert segment.members is not None
    delta = await store.get_delta(transaction, workspace, one.unit.state)
    count = delta.count_members(segment.number, segment.members)
    among = await store.find_members_among(transaction, workspace, [segment.number], named, one.unit.state)
    there = among.get(segment.number, BitMap())
    if action is MemberAction.ADD:
        change = SegmentChange(segment.number, named - there, BitMap())
    else:
        change = SegmentChange(segment.number, BitMap(), there)
    if change.entry_count:
        await append_changes(one, [change], moment, people)
    return count + len(change.entered) - len(change.left)
