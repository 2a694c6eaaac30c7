"""Finds membership changes caused by time alone, by evaluating only contacts that crossed a boundary.

A relative date ("within 30 days") is true for a contact until its instant is 30 days old, so between two
ticks of the workspace clock it flips only for contacts whose instant lies in one range of the instant index.
Each of them is evaluated at both ticks. Measured for a step of one hour on 1M contacts: 6 to 274 times
cheaper than evaluating the segment in full.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from pyroaring import BitMap

from diglot.conditions.bulk.blocks import MAX_CONTACTS
from diglot.conditions.bulk.evaluator import MIN_CHANGED, BulkEvaluator
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.condition_index import Selection
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.moves import MembershipMoves, load_surroundings
from diglot.model.contact_views import NO_SURROUNDINGS, SurroundingsByKey, view_of
from diglot.model.contacts import Contact
from diglot.storage.contacts import queries
from diglot.storage.membership import crossings
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.slices import compute_in_slices
from diglot.storage.tenant import Tenant

# Records in the moves which segments contacts, given by key and view, enter and leave between two instants.
_Match = Callable[[Sequence[int], Sequence[ContactView], MembershipMoves], None]
# If more instants of contacts cross one relative date, evaluating its segments in full costs less.
MAX_CROSSING: Final = 20_000
_CONTACTS_PER_READ: Final = 1_000


class ChangesByTime(msgspec.Struct, frozen=True):
    """The changes by time alone, and the segments with too many crossings, to be evaluated in full."""

    changes: Sequence[SegmentChange]
    to_evaluate_in_full: frozenset[int]


async def changes_by_time(
    tenant: Tenant, active_segments: ActiveSegments, numbers: frozenset[int], since: int, until: int
) -> ChangesByTime:
    """Return the contacts that enter and leave segments between two instants, by time alone.

    The stored memberships must be right at the first instant.
    """
    by_date = active_segments.by_relative_date
    affected = {one: found for one, segments in by_date.items() if (found := numbers.intersection(segments))}
    span, zone = (since, until), active_segments.zone
    crossing, crowded = await crossings.find_crossing(tenant, affected, span, zone, MAX_CROSSING)
    full = frozenset[int]().union(*(affected[one] for one in crowded))
    some = numbers - full
    moves = await _match_contacts(tenant, active_segments, some, crossing, span)
    return ChangesByTime(moves.to_changes(), full)


async def _match_contacts(
    tenant: Tenant,
    active_segments: ActiveSegments,
    numbers: frozenset[int],
    pks: BitMap,
    span: tuple[int, int],
) -> MembershipMoves:
    """Return who of some contacts enters and leaves some segments between two instants."""
    moves = MembershipMoves()
    if not (pks and numbers):
        return moves
    match = await _matcher_of(tenant, active_segments, numbers, span, len(pks))
    for part in _split_into_parts(pks):
        around = await load_surroundings(tenant, active_segments, numbers, part)
        contacts = await queries.load_contacts(tenant, part)
        match_slice = partial(_match_slice, active_segments.zone, match, around, moves)
        async for _ in compute_in_slices(tenant, contacts, match_slice, MAX_CONTACTS):
            pass
    return moves


async def _matcher_of(
    tenant: Tenant,
    active_segments: ActiveSegments,
    numbers: frozenset[int],
    span: tuple[int, int],
    count: int,
) -> _Match:
    """Return the function that matches a number of contacts: one by one, or all of a slice together."""
    if count >= MIN_CHANGED:
        bulk = await active_segments.bulk_evaluator(tenant.transaction)
        if bulk.pays_off(min(count, MAX_CONTACTS), MIN_CHANGED):
            return partial(_match_block, bulk, numbers, span)
    selection = (await active_segments.select(tenant.transaction)).narrow(numbers)
    return partial(_match_one_by_one, selection, span)


def _match_slice(
    zone: ZoneInfo,
    match: _Match,
    around: SurroundingsByKey,
    moves: MembershipMoves,
    contacts: Sequence[Contact],
) -> None:
    views = [view_of(contact, around.get(contact.pk, NO_SURROUNDINGS), zone) for contact in contacts]
    match([contact.pk for contact in contacts], views, moves)


def _match_one_by_one(
    selection: Selection,
    span: tuple[int, int],
    pks: Sequence[int],
    views: Sequence[ContactView],
    moves: MembershipMoves,
) -> None:
    for pk, view in zip(pks, views, strict=True):
        moves.record_contact(pk, *selection.elapse(view, *span))


def _match_block(  # noqa: PLR0913, PLR0917 - what `_matcher_of` binds, and a slice
    bulk: BulkEvaluator,
    numbers: frozenset[int],
    span: tuple[int, int],
    pks: Sequence[int],
    views: Sequence[ContactView],
    moves: MembershipMoves,
) -> None:
    moves.record_masks(pks, bulk.compare_instants(views, *span, numbers))


def _split_into_parts(pks: BitMap) -> Iterator[Sequence[int]]:
    for start in range(0, len(pks), _CONTACTS_PER_READ):
        yield list(pks[start : start + _CONTACTS_PER_READ])
