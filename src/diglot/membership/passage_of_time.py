"""Finds membership changes caused by time alone, by evaluating only contacts that crossed a boundary.

A relative date ("within 30 days") is true for a contact until its instant is 30 days old, so between two
ticks of the workspace clock it flips only for contacts whose instant lies in one range of the instant index.
Each of them is evaluated at both ticks. Measured for a step of one hour on 1M contacts: 6 to 274 times
cheaper than evaluating the segment in full.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from pyroaring import BitMap

from diglot.conditions.bulk.blocks import MAX_CONTACTS, MIN_CONTACTS
from diglot.conditions.bulk.evaluator import BulkEvaluator, MaskChanges
from diglot.conditions.bulk.masks import select
from diglot.conditions.contact_view import ContactView
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.moves import Evaluate, ListsByKey
from diglot.model.contact_views import view_of
from diglot.model.contacts import Contact
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.membership import instant_index
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.slices import compute_in_slices
from diglot.storage.tenant import Tenant

T = TypeVar("T")
# If more contacts cross one relative date, evaluating its segments in full costs less.
MAX_CROSSING: Final = 20_000
_CONTACTS_PER_READ: Final = 1_000


@dataclass(frozen=True, slots=True)
class ChangesByTime:
    """The changes by time alone, and the segments with too many crossings, to be evaluated in full."""

    changes: Sequence[SegmentChange]
    to_evaluate_in_full: frozenset[int]


async def changes_by_time(
    tenant: Tenant, active_segments: ActiveSegments, numbers: frozenset[int], since: int, until: int
) -> ChangesByTime:
    """Return the contacts that enter and leave segments between two instants, by time alone.

    The stored memberships must be right at the first instant.
    """
    crossing = BitMap()
    full: set[int] = set()
    checked: set[int] = set()
    for relative_date, segments in active_segments.by_relative_date.items():
        if not (affected := numbers.intersection(segments)):
            continue
        pks = await instant_index.contacts_crossing(
            tenant, relative_date, since, until, active_segments.zone, MAX_CROSSING + 1
        )
        if len(pks) > MAX_CROSSING:
            full |= affected
        elif pks:
            checked |= affected
            crossing.update(pks)
    moves = _Moves()
    await _match_twice(tenant, active_segments, frozenset(checked - full), crossing, (since, until), moves)
    return ChangesByTime(moves.to_changes(), frozenset(full))


@dataclass(frozen=True, slots=True)
class _Moves:
    """The keys of contacts that enter and leave each segment."""

    entered: defaultdict[int, BitMap] = field(default_factory=lambda: defaultdict(BitMap))
    left: defaultdict[int, BitMap] = field(default_factory=lambda: defaultdict(BitMap))

    def record_masks(self, pks: Sequence[int], changes: MaskChanges) -> None:
        """Record the contacts of a block, as masks by segment."""
        for moved, masks in ((self.entered, changes.entered), (self.left, changes.left)):
            for number, mask in masks.items():
                moved[number].update(select(mask, pks))

    def record_contact(self, pk: int, old: set[int], new: set[int]) -> None:
        """Record the segments of a contact at two instants."""
        for moved, numbers in ((self.entered, new - old), (self.left, old - new)):
            for number in numbers:
                moved[number].add(pk)

    def to_changes(self) -> list[SegmentChange]:
        """Return one change for each segment that moved."""
        return [
            SegmentChange(number, self.entered.get(number, BitMap()), self.left.get(number, BitMap()))
            for number in sorted(self.entered.keys() | self.left.keys())
        ]


async def _match_twice(  # noqa: PLR0913, PLR0917 - one step of the function above
    tenant: Tenant,
    active_segments: ActiveSegments,
    numbers: frozenset[int],
    pks: BitMap,
    span: tuple[int, int],
    moves: _Moves,
) -> None:
    """Match each of some contacts at two instants, and record who enters and leaves segments."""
    for part in _split_into_parts(list(pks)):
        on_lists = (
            await lists.load_ids_of_contacts(tenant, part) if active_segments.mention_lists(numbers) else {}
        )
        contacts = await queries.load_contacts(tenant, part)
        views = partial(_view_all, active_segments, on_lists)
        if len(contacts) < MIN_CONTACTS:
            evaluate = await active_segments.evaluator(tenant.transaction, numbers, 2 * len(contacts))
            match = partial(_match_one_by_one, evaluate, span, views, moves)
        else:
            bulk = await active_segments.bulk_evaluator(tenant.transaction)
            match = partial(_match_block, bulk, numbers, span, views, moves)
        async for _ in compute_in_slices(tenant, contacts, match, MAX_CONTACTS):
            pass


def _view_all(
    active_segments: ActiveSegments, on_lists: ListsByKey, contacts: Sequence[Contact]
) -> list[ContactView]:
    return [view_of(contact, on_lists.get(contact.pk, ()), active_segments.zone) for contact in contacts]


def _match_block(  # noqa: PLR0913, PLR0917 - the arguments of `_match_twice`, for one slice
    bulk: BulkEvaluator,
    numbers: frozenset[int],
    span: tuple[int, int],
    view_all: Callable[[Sequence[Contact]], list[ContactView]],
    moves: _Moves,
    contacts: Sequence[Contact],
) -> None:
    pks = [contact.pk for contact in contacts]
    moves.record_masks(pks, bulk.compare_instants(view_all(contacts), *span, numbers))


def _match_one_by_one(
    evaluate: Evaluate,
    span: tuple[int, int],
    view_all: Callable[[Sequence[Contact]], list[ContactView]],
    moves: _Moves,
    contacts: Sequence[Contact],
) -> None:
    for contact, view in zip(contacts, view_all(contacts), strict=True):
        old, new = (set(evaluate(view, at)) for at in span)
        moves.record_contact(contact.pk, old, new)


def _split_into_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CONTACTS_PER_READ):
        yield items[start : start + _CONTACTS_PER_READ]
