"""Which contacts enter and leave which segments by a write: asked of the index of conditions, in slices."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

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
    selection = await active_segments.select(tenant.transaction)
    match = partial(_match_writes, active_segments, selection, on_lists, at, moves)
    async for _ in compute_in_slices(tenant, writes, match):
        pass
    return moves


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
