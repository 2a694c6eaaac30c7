"""Which contacts enter and leave which segments by a write.

A few contacts are asked of the index of conditions one by one. More are matched in blocks, because what a
segment asks is then asked once for all contacts of a block.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from diglot.conditions.bulk.blocks import MAX_CONTACTS, MIN_CONTACTS, ContactBlock
from diglot.conditions.bulk.evaluator import BulkEvaluator, MaskChanges
from diglot.conditions.bulk.masks import select
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.condition_index import Selection
from diglot.membership.active_segments import LISTS_FIELD, ActiveSegments
from diglot.model.contact_views import changed_fields, views_before_and_after
from diglot.model.contacts import Contact
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.slices import compute_in_slices
from diglot.storage.tenant import Tenant

# A contact before and after a write; None before it is created and after it is deleted.
ContactWrite = tuple[Contact | None, Contact | None]
# A contact as conditions read it, before and after a write, with its key.
_ViewPair = tuple[int, ContactView | None, ContactView | None]
# The ids of static lists, by contact key.
ListsByKey = Mapping[int, Sequence[str]]


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
                moved[number] += select(mask, pks)

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
    on_lists: ListsByKey,
    at: int,
) -> MembershipMoves:
    """Return who enters and leaves by writes of contacts."""
    moves = MembershipMoves()
    if len(writes) < MIN_CONTACTS:
        selection = await active_segments.select(tenant.transaction)
        match = partial(_match_writes, active_segments, selection, on_lists, at, moves)
    else:
        bulk = await active_segments.bulk_evaluator(tenant.transaction)
        match = partial(_match_block, active_segments, bulk, on_lists, at, moves)
    async for _ in compute_in_slices(tenant, writes, match, MAX_CONTACTS):
        pass
    return moves


def _match_block(  # noqa: PLR0913, PLR0917 - one step of the loop above
    active_segments: ActiveSegments,
    bulk: BulkEvaluator,
    on_lists: ListsByKey,
    at: int,
    moves: MembershipMoves,
    writes: Sequence[ContactWrite],
) -> None:
    """Match contacts together; only changed fields can move a contact that exists before and after."""
    mentioned, zone = active_segments.by_field.keys(), active_segments.zone
    changed: list[_ViewPair] = []
    created_or_deleted: list[_ViewPair] = []
    fields: set[str] = set()
    for before, after in writes:
        pairs = created_or_deleted
        if before is not None and after is not None:
            differing = changed_fields(before, after) & mentioned
            if not differing:
                continue
            fields |= differing
            pairs = changed
        pk = newest_version(before, after).pk
        pairs.append((pk, *views_before_and_after(before, after, on_lists.get(pk, ()), zone)))
    if created_or_deleted:
        pks, *sides = zip(*created_or_deleted, strict=True)
        left, entered = (bulk.match(ContactBlock(views), at, bulk.nodes) for views in sides)
        moves.record_masks(pks, MaskChanges(entered, left))
    if changed:
        pks, *sides = zip(*changed, strict=True)
        moves.record_masks(pks, bulk.compare_writes(sides, fields, at))


def _match_writes(  # noqa: PLR0913, PLR0917 - one step of the loop above
    active_segments: ActiveSegments,
    selection: Selection,
    on_lists: ListsByKey,
    at: int,
    moves: MembershipMoves,
    writes: Sequence[ContactWrite],
) -> None:
    mentioned = active_segments.by_field.keys()
    for before, after in writes:
        fields: Collection[str] = mentioned
        if before is not None and after is not None:
            fields = changed_fields(before, after)
        if not mentioned.isdisjoint(fields):
            pk = newest_version(before, after).pk
            old, new = views_before_and_after(before, after, on_lists.get(pk, ()), active_segments.zone)
            moves.record_contact(pk, *selection.change(old, new, fields, at))


async def match_list_moves(
    tenant: Tenant,
    active_segments: ActiveSegments,
    moved: Sequence[Contact],
    lists: tuple[ListsByKey, ListsByKey],
    at: int,
) -> MembershipMoves:
    """Return who enters and leaves because contacts moved between static lists, given before and after."""
    moves = MembershipMoves()
    selection = await active_segments.select(tenant.transaction)

    def view(contact: Contact, on_lists: ListsByKey) -> ContactView | None:
        return active_segments.view_contact(contact, on_lists.get(contact.pk, ()))

    def match(contacts: Sequence[Contact]) -> None:
        for contact in contacts:
            old, new = view(contact, lists[0]), view(contact, lists[1])
            moves.record_contact(contact.pk, *selection.change(old, new, (LISTS_FIELD,), at))

    async for _ in compute_in_slices(tenant, moved, match):
        pass
    return moves
