"""Memberships follow every write: who may have moved is asked again, in the same transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap

from diglot.conditions.fields import ATTRIBUTE_PREFIX
from diglot.conditions.relative_dates import NEVER, Edge, turns_after
from diglot.membership import store
from diglot.membership.active_segments import LISTS, differing, nexts
from diglot.membership.writer import Current, keep, record
from diglot.model.contact_views import subjects_of
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause, Moment
from diglot.model.segments import MemberAction, Segment
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts, instant_index
from diglot.storage.membership.changes import Change

# A contact before and after a write; nothing before it came, nothing after it went.
Write = tuple[Contact | None, Contact | None]


@dataclass(slots=True)
class _Moves:
    """Who enters and leaves which segments by a write of some contacts."""

    entered: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    left: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, pk: int, was: Sequence[int], is_: Sequence[int]) -> None:
        """Note the segments of a contact before and after."""
        if was == is_:
            return
        before, after = set(was), set(is_)
        for number in after - before if before else is_:
            self.entered[number].append(pk)
        for number in before - after if after else was:
            self.left[number].append(pk)

    def changes(self) -> list[Change]:
        """Return them by segment."""
        numbers = sorted(self.entered.keys() | self.left.keys())
        return [
            Change(number, sorted(self.entered.get(number, ())), sorted(self.left.get(number, ())))
            for number in numbers
        ]


async def lists_of(one: Current, written: Iterable[Contact]) -> Mapping[int, Sequence[str]]:
    """Return the lists that contacts are on, where any segment asks."""
    if not one.live.mention_lists(one.live.everything):
        return {}
    return await lists.ids_of(one.transaction, one.workspace, [contact.pk for contact in written])


async def follow(
    one: Current, writes: Sequence[Write], cause: Cause, on_lists: Mapping[int, Sequence[str]]
) -> None:
    """Bring the memberships up to date with writes of contacts that were made.

    `on_lists` are the lists that each is on, before and after.
    """
    gone = [before for before, after in writes if before is not None and after is None]
    if gone:
        identities = [(contact.pk, contact.id) for contact in gone]
        await deleted_contacts.add(one.transaction, one.workspace, identities, one.at)
    if not one.follows:
        return
    moves = _Moves()
    known, at = one.live, one.at
    for before, after in writes:
        numbers = known.everything
        if before is not None and after is not None:
            numbers = known.affected(differing(before, after))
        if numbers:
            pk = _pk(before, after)
            was, is_ = subjects_of(before, after, on_lists.get(pk, ()), known.zone)
            evaluate = await known.evaluator(one.transaction, numbers, 2)
            moves.note(pk, evaluate(was, at), evaluate(is_, at))
    if gone and one.live.statics:
        await _depart(one, gone, moves)
    await _watch(one, writes)
    await record(one, moves.changes(), Moment(at, cause), _people(one, writes))


def _either(before: Contact | None, after: Contact | None) -> Contact:
    """Return a contact as it is after a write, or as it was before it went."""
    contact = after or before
    assert contact is not None
    return contact


def _pk(before: Contact | None, after: Contact | None) -> int:
    return _either(before, after).pk


def _people(one: Current, writes: Sequence[Write]) -> Mapping[int, Contact]:
    """Return the written contacts for those who are told of them, if anybody is."""
    return {_pk(*write): _either(*write) for write in writes} if one.locked.webhooks else {}


async def _depart(one: Current, gone: Sequence[Contact], moves: _Moves) -> None:
    """Take deleted contacts out of the static segments."""
    state = await workspaces.state(one.transaction, one.workspace)
    pks = [contact.pk for contact in gone]
    among = await store.members_among(one.transaction, one.workspace, one.live.statics, pks, state)
    for number, there in among.items():
        if there:
            moves.left[number] = list(there)


async def _watch(one: Current, writes: Sequence[Write]) -> None:
    """Keep the instants that conditions with days look at, and when time will change a membership."""
    turns: dict[Edge, int] = {}
    for name in one.live.watched:
        gone: list[tuple[int, int]] = []
        new: list[tuple[int, int]] = []
        for before, after in writes:
            if _same(before, after, name):
                continue
            was, is_ = one.live.instant(before, name), one.live.instant(after, name)
            if was != is_:
                pk = _pk(before, after)
                gone += [(pk, was)] if was is not None else []
                new += [(pk, is_)] if is_ is not None else []
        await instant_index.remove(one.transaction, one.workspace, name, gone)
        await instant_index.add(one.transaction, one.workspace, name, new)
        if new:
            _turn(one, name, [instant for _, instant in new], turns)
    if turns:
        await _lower(one, turns)


def _same(before: Contact | None, after: Contact | None, name: str) -> bool:
    """Tell cheaply whether a field holds what it held; False where that is not known."""
    if before is None or after is None or not name.startswith(ATTRIBUTE_PREFIX):
        return False
    return before.attributes == after.attributes


def _turn(one: Current, name: str, instants: Sequence[int], turns: dict[Edge, int]) -> None:
    """Note for each edge of a field when the first of some instants turns."""
    ascending = sorted(instants)
    for edge in one.live.by_edge:
        if edge.field == name:
            turns[edge] = turns_after(edge, ascending, one.at, one.live.zone)


async def _lower(one: Current, turns: Mapping[Edge, int]) -> None:
    """Note that time changes memberships earlier than was known, where it does."""
    known = await nexts(one.transaction, one.workspace, one.live, one.locked.clock_version)
    lower: dict[int, int] = {}
    for edge, at in turns.items():
        if at < known.highest[edge]:
            for number in one.live.by_edge[edge]:
                if at < known.by_segment.get(number, NEVER):
                    lower[number] = min(at, lower.get(number, NEVER))
    if lower:
        await store.lower_next(one.transaction, one.workspace, lower)


async def follow_lists(one: Current, moved: Sequence[Contact], before: Mapping[int, Sequence[str]]) -> None:
    """Bring the memberships up to date with contacts that came to static lists or left them.

    `before` are the lists that each was on.
    """
    numbers = one.live.affected((LISTS,))
    if not numbers:
        return
    after = await lists_of(one, moved)
    moves = _Moves()
    evaluate = await one.live.evaluator(one.transaction, numbers, 2 * len(moved))
    for contact in moved:
        was = one.live.subject(contact, before.get(contact.pk, ()))
        is_ = one.live.subject(contact, after.get(contact.pk, ()))
        moves.note(contact.pk, evaluate(was, one.at), evaluate(is_, one.at))
    people = {contact.pk: contact for contact in moved}
    await record(one, moves.changes(), Moment(one.at, Cause.LIST_CHANGED), people)


async def change_by_hand(one: Current, segment: Segment, action: MemberAction, ids: Sequence[str]) -> None:
    """Change the members of a static segment; ids that no contact here has are passed over."""
    transaction, workspace = one.transaction, one.workspace
    found = await queries.by_ids(transaction, workspace, ids)
    people = {contact.pk: contact for contact in found.values()}
    named = BitMap(people)
    moment = Moment(one.at, Cause.BY_HAND)
    if action is MemberAction.SET:
        await keep(one, segment.number, named, moment, people)
        return
    state = await workspaces.state(transaction, workspace)
    among = await store.members_among(transaction, workspace, [segment.number], named, state)
    there = among.get(segment.number, BitMap())
    if action is MemberAction.ADD:
        change = Change(segment.number, named - there, BitMap())
    else:
        change = Change(segment.number, BitMap(), there)
    if change.numbers:
        await record(one, [change], moment, people)
