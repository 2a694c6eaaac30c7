"""What the passing of time does to memberships: who crossed an edge is asked again, and nobody else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pyroaring import BitMap

from diglot.membership.active_segments import ActiveSegments
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.membership import instant_index
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.sql.engine import Transaction

T = TypeVar("T")
# When more contacts cross an edge, evaluating in full costs less.
MAX_CROSSING: Final = 20_000
_CONTACTS_PER_READ: Final = 1_000


@dataclass(frozen=True, slots=True)
class ChangesByTime:
    """Who moved by time alone, and the other segments, which so many cross that they are to be evaluated."""

    changes: Sequence[SegmentChange]
    to_evaluate_in_full: frozenset[int]


async def changes_by_time(  # noqa: PLR0913, PLR0917 - which segments of whose, and between which instants
    transaction: Transaction,
    workspace: int,
    live: ActiveSegments,
    numbers: frozenset[int],
    since: int,
    until: int,
) -> ChangesByTime:
    """Return who enters and leaves some segments by time alone from an instant to a later one.

    What is stored must be right at the earlier one.
    """
    found: dict[int, tuple[BitMap, BitMap]] = {}
    others: set[int] = set()
    for edge, having in live.by_relative_date.items():
        if not (asked := having & numbers):
            continue
        pks = await instant_index.contacts_crossing(
            transaction, workspace, edge, since, until, live.zone, MAX_CROSSING + 1
        )
        if len(pks) > MAX_CROSSING:
            others |= asked
            continue
        await _evaluate_contacts(transaction, workspace, live, asked, sorted(pks), (since, until), found)
    changes = [
        SegmentChange(number, entered, left)
        for number, (entered, left) in sorted(found.items())
        if number not in others
    ]
    return ChangesByTime(changes, frozenset(others))


async def _evaluate_contacts(  # noqa: PLR0913, PLR0917 - one step of the loop above
    transaction: Transaction,
    workspace: int,
    live: ActiveSegments,
    asked: frozenset[int],
    pks: Sequence[int],
    span: tuple[int, int],
    found: dict[int, tuple[BitMap, BitMap]],
) -> None:
    since, until = span
    evaluate = await live.evaluator(transaction, asked, 2 * len(pks))
    for part in _split_into_parts(pks):
        on_lists = (
            await lists.load_ids_of_contacts(transaction, workspace, part)
            if live.mention_lists(asked)
            else {}
        )
        for contact in await queries.load_contacts(transaction, workspace, part):
            subject = live.view_contact(contact, on_lists.get(contact.pk, ()))
            was, is_ = (set(evaluate(subject, at)) for at in (since, until))
            for number in is_ - was:
                found.setdefault(number, (BitMap(), BitMap()))[0].add(contact.pk)
            for number in was - is_:
                found.setdefault(number, (BitMap(), BitMap()))[1].add(contact.pk)


def _split_into_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CONTACTS_PER_READ):
        yield items[start : start + _CONTACTS_PER_READ]
