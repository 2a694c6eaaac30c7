"""Which contacts enter and leave which segments by a write: matched before and after, in slices.

A few contacts are matched one by one. More are matched in blocks, because what a segment asks is then asked
once for all contacts of a block.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from diglot.conditions.bulk.blocks import MAX_CONTACTS, MIN_CONTACTS, ContactBlock
from diglot.conditions.bulk.evaluator import BulkEvaluator, MaskChanges
from diglot.conditions.bulk.masks import select
from diglot.conditions.contact_view import ContactView
from diglot.membership.active_segments import LISTS_FIELD, ActiveSegments
from diglot.model.contact_views import changed_fields, view_of, views_before_and_after
from diglot.model.contacts import Contact
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.slices import compute_in_slices, compute_off_loop
from diglot.storage.tenant import Tenant

# A contact before and after a write; None before it is created and after it is deleted.
ContactWrite = tuple[Contact | None, Contact | None]
# A contact as conditions read it, before and after a write, with its key.
ViewPair = tuple[int, ContactView | None, ContactView | None]
# The ids of static lists, by contact key.
ListsByKey = Mapping[int, Sequence[str]]
# Returns the segments that a contact matches at an instant.
Evaluate = Callable[[ContactView | None, int], list[int]]


@dataclass(slots=True)
class MembershipMoves:
    """The keys of contacts that enter and leave each segment by a write."""

    entered: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    left: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def record_contact(self, pk: int, old: Sequence[int], new: Sequence[int]) -> None:
        """Record the segments of a contact before and after a write."""
        if old == new:
            return
        before = set(old)
        entered, left = self.entered, self.left
        for number in set(new) - before if before else new:
            entered[number].append(pk)
        for number in before.difference(new):
            left[number].append(pk)

    def record_views(self, evaluate: Evaluate, at: int, views: Sequence[ViewPair]) -> None:
        """Match contacts before and after a write, and record their segments."""
        for pk, old, new in views:
            self.record_contact(pk, evaluate(old, at), evaluate(new, at))

    def record_masks(self, pks: Sequence[int], changes: MaskChanges) -> None:
        """Record the contacts of a block that entered and left, as masks by segment."""
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
    """Return who enters and leaves by writes of contacts; only segments that they may affect are matched."""
    moves = MembershipMoves()
    if len(writes) >= MIN_CONTACTS:
        bulk = await active_segments.bulk_evaluator(tenant.transaction)
        match = partial(_match_block, moves, bulk, active_segments, on_lists, at)
        async for _ in compute_in_slices(tenant, writes, match, MAX_CONTACTS):
            pass
        return moves
    view = partial(_view_by_segments, active_segments, on_lists)
    async for views_by_segments in compute_in_slices(tenant, writes, view):
        # Each such set of segments has a compiled function of its own.
        for numbers, views in views_by_segments.items():
            evaluate = await active_segments.evaluator(tenant.transaction, numbers, 2 * len(views))
            record = partial(moves.record_views, evaluate, at, views)
            await compute_off_loop(tenant, len(views), record)
    return moves


def _match_block(  # noqa: PLR0913, PLR0917 - the arguments of `match_writes`, for one slice
    moves: MembershipMoves,
    bulk: BulkEvaluator,
    active_segments: ActiveSegments,
    on_lists: ListsByKey,
    at: int,
    writes: Sequence[ContactWrite],
) -> None:
    """Match contacts together; only changed fields can move a contact that exists before and after."""
    changed: list[ViewPair] = []
    created_or_deleted: list[ViewPair] = []
    fields: set[str] = set()
    for before, after in writes:
        pairs = created_or_deleted
        if before is not None and after is not None:
            differing = changed_fields(before, after)
            if not active_segments.affected_by(differing):
                continue
            fields |= differing
            pairs = changed
        pk = newest_version(before, after).pk
        lists = on_lists.get(pk, ())
        pairs.append((pk, *views_before_and_after(before, after, lists, active_segments.zone)))
    if created_or_deleted:
        pks, *sides = zip(*created_or_deleted, strict=True)
        left, entered = (bulk.match(ContactBlock(views), at, active_segments.all_dynamic) for views in sides)
        moves.record_masks(pks, MaskChanges(entered, left))
    if changed:
        pks, *sides = zip(*changed, strict=True)
        moves.record_masks(pks, bulk.compare_writes(sides, fields, at))


def _view_by_segments(
    active_segments: ActiveSegments, on_lists: ListsByKey, writes: Sequence[ContactWrite]
) -> Mapping[frozenset[int], list[ViewPair]]:
    """Return the views of written contacts, by the segments that each write may affect."""
    by_segments: defaultdict[frozenset[int], list[ViewPair]] = defaultdict(list)
    for before, after in writes:
        numbers = active_segments.all_dynamic
        if before is not None and after is not None:
            numbers = active_segments.affected_by(changed_fields(before, after))
        if numbers:
            pk = newest_version(before, after).pk
            views = views_before_and_after(before, after, on_lists.get(pk, ()), active_segments.zone)
            by_segments[numbers].append((pk, *views))
    return by_segments


async def match_list_moves(
    tenant: Tenant,
    active_segments: ActiveSegments,
    moved: Sequence[Contact],
    lists: tuple[ListsByKey, ListsByKey],
    at: int,
) -> MembershipMoves:
    """Return who enters and leaves because contacts moved between static lists, given before and after."""
    moves = MembershipMoves()
    numbers = active_segments.affected_by((LISTS_FIELD,))
    if len(moved) < MIN_CONTACTS:
        evaluate = await active_segments.evaluator(tenant.transaction, numbers, 2 * len(moved))
    else:
        bulk = await active_segments.bulk_evaluator(tenant.transaction)

    def record(contacts: Sequence[Contact]) -> None:
        pks = [contact.pk for contact in contacts]
        sides = [
            [view_of(contact, on_lists.get(contact.pk, ()), active_segments.zone) for contact in contacts]
            for on_lists in lists
        ]
        if len(moved) < MIN_CONTACTS:
            moves.record_views(evaluate, at, list(zip(pks, *sides, strict=True)))
        else:
            moves.record_masks(pks, bulk.compare_writes(sides, (LISTS_FIELD,), at))

    async for _ in compute_in_slices(tenant, moved, record, MAX_CONTACTS):
        pass
    return moves
