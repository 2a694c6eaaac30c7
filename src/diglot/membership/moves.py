"""Decides which contacts a write moves into and out of which segments.

A few contacts are asked of the index of conditions one by one. More are matched in blocks, because what a
segment asks is then asked once for all contacts of a block. Conditions read more than the row of a contact:
its lists, and what its events add up to.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from diglot.conditions.bulk.blocks import MAX_CONTACTS, ContactBlock
from diglot.conditions.bulk.evaluator import MIN_CHANGED, MIN_CREATED, BulkEvaluator, MaskChanges
from diglot.conditions.contact_view import ContactView
from diglot.conditions.events.event_readers import ReadNames
from diglot.conditions.events.fields import EventValue
from diglot.conditions.events.states import EventState
from diglot.conditions.histories.fields import GatheredByStream, HistoryFields
from diglot.conditions.histories.past_events import PastEvent
from diglot.conditions.index.condition_index import Selection
from diglot.conditions.index.masks import select_items
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.static_members.lookup import load_segments_of
from diglot.model.contact_views import (
    NO_SURROUNDINGS,
    Surroundings,
    SurroundingsByKey,
    changed_fields,
    changed_surroundings,
    views_before_and_after,
)
from diglot.model.contacts import Contact
from diglot.storage.audience import event_states, lists
from diglot.storage.contacts import event_histories
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.slices import compute_in_slices, compute_off_loop
from diglot.storage.tenant import Tenant

# A contact before and after a write; None before it is created and after it is deleted.
ContactWrite = tuple[Contact | None, Contact | None]
# A contact as conditions read it, before and after a write, with its key.
_ViewPair = tuple[int, ContactView | None, ContactView | None]
# What is around contacts before and after a write.
Sides = tuple[SurroundingsByKey, SurroundingsByKey]


# Not frozen, as `_Matching`.
@dataclass(slots=True)
class EventMove:
    """What an event changed: what a contact's events of one name add up to, before and after it.

    `gathered` is what these events count for without it, empty unless conditions read them. `beside` has what
    the events of other names add up to, as far as that was read with the contact.
    """

    pk: int
    name: str
    before: EventState | None
    after: EventState | None
    event: PastEvent
    gathered: GatheredByStream = field(default_factory=dict)
    beside: Mapping[str, EventState | None] = field(default_factory=dict)


async def load_surroundings(
    tenant: Tenant,
    active_segments: ActiveSegments,
    numbers: frozenset[int],
    pks: Sequence[int],
    names: ReadNames | None = None,
) -> SurroundingsByKey:
    """Return what the conditions of some segments read of contacts; nothing if they read their rows only.

    Of events only those with some `names` are read, if they are given.
    """
    names = names or active_segments.readers_of_events.find_names(numbers)
    reads_lists = active_segments.mention_lists(numbers)
    references = active_segments.find_static_references(numbers)
    if not (reads_lists or references or names.states or names.histories):
        return {}
    on_lists = await lists.load_ids_of_contacts(tenant, pks) if reads_lists else {}
    wanted = sorted(names.states)
    states = await event_states.load_of_contacts(tenant, pks, wanted) if wanted else {}
    histories = await _load_history_values(tenant, active_segments.history_fields, pks, names.histories)
    on_segments = await load_segments_of(tenant, references, pks)
    read_values = active_segments.event_fields.read_values
    return {
        pk: Surroundings(
            on_lists.get(pk, ()),
            {**read_values(states.get(pk, {})), **histories.get(pk, {})},
            on_segments.get(pk, ()),
        )
        for pk in on_lists.keys() | states.keys() | histories.keys() | on_segments.keys()
    }


async def _load_history_values(
    tenant: Tenant, fields: HistoryFields, pks: Sequence[int], names: frozenset[str]
) -> Mapping[int, Mapping[str, EventValue]]:
    """Return the values of the fields of single events of some names, by contact."""
    if not names:
        return {}
    found = await event_histories.load_of_contacts(tenant, pks, fields.want(sorted(names)))
    return await compute_off_loop(
        tenant, len(found), lambda: {pk: fields.read_values(one) for pk, one in found.items()}
    )


def move_events(
    active_segments: ActiveSegments, around: SurroundingsByKey, moves: Sequence[EventMove]
) -> Sides:
    """Return what is around contacts before and after events, given either."""
    read = [move for move in moves if move.name in active_segments.readers_of_events.by_name]
    if not read:
        return around, around
    before, after = dict(around), dict(around)
    for move in read:
        known = around.get(move.pk, NO_SURROUNDINGS)
        before[move.pk], after[move.pk] = _move_event(active_segments, known, move)
    return before, after


def _move_event(
    active_segments: ActiveSegments, known: Surroundings, move: EventMove
) -> tuple[Surroundings, Surroundings]:
    """Return what is around the contact of an event before and after it, given either."""
    of_events, of_histories = active_segments.event_fields, active_segments.history_fields
    others = known.events
    if others:
        of_state, of_history = of_events.by_event.get(move.name, {}), of_histories.fields_of(move.name)
        others = {
            field: value
            for field, value in others.items()
            if field not in of_state and field not in of_history
        }
    before, after = of_histories.read_around(move.name, move.gathered, move.event, others)
    of_events.read_into(before, move.name, move.before)
    of_events.read_into(after, move.name, move.after)
    lists, segments = known.lists, known.segments
    return Surroundings(lists, before, segments), Surroundings(lists, after, segments)


@dataclass(slots=True)
class MembershipMoves:
    """The keys of contacts that enter and leave each segment by a write."""

    entered: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    left: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def record_contact(self, pk: int, entered: Iterable[int], left: Iterable[int]) -> None:
        """Record the segments that a contact enters and leaves."""
        for number in entered:
            self.entered[number].append(pk)
        for number in left:
            self.left[number].append(pk)

    def record_masks(self, pks: Sequence[int], changes: MaskChanges) -> None:
        """Record the contacts of a block that enter and leave, as masks by segment."""
        for moved, masks in ((self.entered, changes.entered), (self.left, changes.left)):
            for number, mask in masks.items():
                moved[number] += select_items(pks, mask)

    def to_changes(self) -> list[SegmentChange]:
        """Return the moves as one change for each segment."""
        entered, left = self.entered, self.left
        for keys in (*entered.values(), *left.values()):
            keys.sort()
        return [
            SegmentChange(number, entered.get(number, ()), left.get(number, ()))
            for number in sorted(entered.keys() | left.keys())
        ]


def newest_version(before: Contact | None, after: Contact | None) -> Contact:
    """Return a contact after a write, or before it if the write deletes the contact."""
    contact = after or before
    assert contact is not None
    return contact


async def match_writes(
    tenant: Tenant,
    active_segments: ActiveSegments,
    writes: Sequence[ContactWrite],
    sides: Sides,
    at: int,
) -> MembershipMoves:
    """Return who enters and leaves by writes of contacts."""
    selection = await active_segments.select(tenant.transaction)
    bulk = None
    if len(writes) >= MIN_CREATED:
        bulk = await active_segments.bulk_evaluator(tenant.transaction)
    matching = _Matching(active_segments, sides, at, selection, bulk)
    if len(writes) == 1:
        matching.match(writes)
        return matching.moves
    async for _ in compute_in_slices(tenant, writes, matching.match, MAX_CONTACTS):
        pass
    return matching.moves


# Not frozen, because each write of a contact makes one, and a frozen one takes three times as long to make.
@dataclass(slots=True)
class _Matching:
    """What the slices of one write are matched with, and their moves."""

    active_segments: ActiveSegments
    sides: Sides
    at: int
    selection: Selection
    # None if there are too few contacts for a block.
    bulk: BulkEvaluator | None
    moves: MembershipMoves = field(default_factory=MembershipMoves)

    def match(self, writes: Sequence[ContactWrite]) -> None:
        """Match the contacts of a slice; only changed fields can move one that exists before and after."""
        created_or_deleted: list[_ViewPair] = []
        changed: list[_ViewPair] = []
        fields: list[set[str]] = []
        for before, after in writes:
            pk = newest_version(before, after).pk
            around = (self.sides[0].get(pk, NO_SURROUNDINGS), self.sides[1].get(pk, NO_SURROUNDINGS))
            differing: set[str] = set()
            if before is not None and after is not None:
                differing = self._find_mentioned(before, after, around)
                if not differing:
                    continue
            views = views_before_and_after(before, after, around, self.active_segments.zone)
            if self.bulk is None:
                self._ask_index(pk, *views, differing)
            elif differing:
                changed.append((pk, *views))
                fields.append(differing)
            else:
                created_or_deleted.append((pk, *views))
        if self.bulk is not None:
            self._match_created_or_deleted(self.bulk, created_or_deleted)
            self._match_changed(self.bulk, changed, fields)

    def _find_mentioned(
        self, before: Contact, after: Contact, around: tuple[Surroundings, Surroundings]
    ) -> set[str]:
        """Return the changed fields that conditions mention."""
        differing = changed_fields(before, after)
        differing |= changed_surroundings(*around)
        return differing & self.active_segments.by_field.keys()

    def _ask_index(
        self, pk: int, old: ContactView | None, new: ContactView | None, fields: Collection[str]
    ) -> None:
        self.moves.record_contact(pk, *self.selection.change(old, new, fields, self.at))

    def _match_created_or_deleted(self, bulk: BulkEvaluator, pairs: Sequence[_ViewPair]) -> None:
        if not bulk.pays_off(len(pairs), MIN_CREATED):
            for pair in pairs:
                self._ask_index(*pair, ())
            return
        pks, *sides = zip(*pairs, strict=True)
        left, entered = (bulk.match(ContactBlock(side), self.at, bulk.nodes) for side in sides)
        self.moves.record_masks(pks, MaskChanges(entered, left))

    def _match_changed(
        self, bulk: BulkEvaluator, pairs: Sequence[_ViewPair], fields: Sequence[set[str]]
    ) -> None:
        if not bulk.pays_off(len(pairs), MIN_CHANGED):
            for pair, differing in zip(pairs, fields, strict=True):
                self._ask_index(*pair, differing)
            return
        pks, *sides = zip(*pairs, strict=True)
        moved = bulk.compare_writes(sides, set[str]().union(*fields), self.at)
        self.moves.record_masks(pks, moved)


async def match_moves_around(  # noqa: PLR0913, PLR0917 - what moved, around whom, and when
    tenant: Tenant,
    active_segments: ActiveSegments,
    moved: Sequence[Contact],
    sides: Sides,
    field_name: str,
    at: int,
) -> MembershipMoves:
    """Return who enters and leaves because a field that is around contacts moved, given before and after.

    That is `lists`, or the static ones of `segments`.
    """
    moves = MembershipMoves()
    selection = await active_segments.select(tenant.transaction)

    def view(contact: Contact, side: SurroundingsByKey) -> ContactView | None:
        return active_segments.view_contact(contact, side.get(contact.pk, NO_SURROUNDINGS))

    def match(contacts: Sequence[Contact]) -> None:
        for contact in contacts:
            old, new = view(contact, sides[0]), view(contact, sides[1])
            moves.record_contact(contact.pk, *selection.change(old, new, (field_name,), at))

    async for _ in compute_in_slices(tenant, moved, match):
        pass
    return moves
