"""Finds membership changes caused by time alone, by evaluating only contacts that crossed a boundary.

A relative date ("within 30 days") is true for a contact until its instant is 30 days old, so between two
ticks of the workspace clock it flips only for contacts whose instant lies in one range of the instant index.
Each of them is evaluated at both ticks. Measured for a step of one hour on 1M contacts: 6 to 274 times
cheaper than evaluating the segment in full.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from pyroaring import BitMap

from diglot.membership.active_segments import ActiveSegments
from diglot.membership.moves import Evaluate, ListsByKey
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
    moves: dict[int, tuple[BitMap, BitMap]] = {}
    full: set[int] = set()
    for relative_date, segments in active_segments.by_relative_date.items():
        if not (affected := numbers.intersection(segments)):
            continue
        pks = await instant_index.contacts_crossing(
            tenant, relative_date, since, until, active_segments.zone, MAX_CROSSING + 1
        )
        if len(pks) > MAX_CROSSING:
            full |= affected
            continue
        await _evaluate_contacts(tenant, active_segments, affected, sorted(pks), (since, until), moves)
    moved_segments = sorted(moves.keys() - full)
    changes = [SegmentChange(number, *moves[number]) for number in moved_segments]
    return ChangesByTime(changes, frozenset(full))


async def _evaluate_contacts(  # noqa: PLR0913, PLR0917 - one step of the loop above
    tenant: Tenant,
    active_segments: ActiveSegments,
    numbers: frozenset[int],
    pks: Sequence[int],
    span: tuple[int, int],
    moves: dict[int, tuple[BitMap, BitMap]],
) -> None:
    evaluate = await active_segments.evaluator(tenant.transaction, numbers, 2 * len(pks))
    for part in _split_into_parts(pks):
        on_lists = (
            await lists.load_ids_of_contacts(tenant, part) if active_segments.mention_lists(numbers) else {}
        )
        match = partial(_match_twice, active_segments, evaluate, span, on_lists)
        contacts = await queries.load_contacts(tenant, part)
        async for matches in compute_in_slices(tenant, contacts, match):
            for pk, old, new in matches:
                for number in new - old:
                    moves.setdefault(number, (BitMap(), BitMap()))[0].add(pk)
                for number in old - new:
                    moves.setdefault(number, (BitMap(), BitMap()))[1].add(pk)


def _match_twice(
    active_segments: ActiveSegments,
    evaluate: Evaluate,
    span: tuple[int, int],
    on_lists: ListsByKey,
    contacts: Sequence[Contact],
) -> list[tuple[int, set[int], set[int]]]:
    """Return the keys of contacts with the segments that they match at two instants, if these differ."""
    found = []
    for contact in contacts:
        subject = active_segments.view_contact(contact, on_lists.get(contact.pk, ()))
        old, new = (set(evaluate(subject, at)) for at in span)
        if old != new:
            found.append((contact.pk, old, new))
    return found


def _split_into_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CONTACTS_PER_READ):
        yield items[start : start + _CONTACTS_PER_READ]
