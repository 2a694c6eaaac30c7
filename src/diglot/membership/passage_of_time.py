"""What the passing of time does to memberships: who crossed an edge is asked again, and nobody else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pyroaring import BitMap

from diglot.membership.active_segments import Live
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.membership import instant_index
from diglot.storage.membership.changes import Change
from diglot.storage.sql.engine import Transaction

T = TypeVar("T")
# When more contacts cross an edge, evaluating in full costs less.
MOST_CROSSING: Final = 20_000
_PART: Final = 1_000


@dataclass(frozen=True, slots=True)
class Passed:
    """Who moved by time alone, and the other segments, which so many cross that they are to be evaluated."""

    changes: Sequence[Change]
    others: frozenset[int]


async def moved(  # noqa: PLR0913, PLR0917 - which segments of whose, and between which instants
    transaction: Transaction, workspace: int, live: Live, numbers: frozenset[int], since: int, until: int
) -> Passed:
    """Return who enters and leaves some segments by time alone from an instant to a later one.

    What is stored must be right at the earlier one.
    """
    found: dict[int, tuple[BitMap, BitMap]] = {}
    others: set[int] = set()
    for edge, having in live.by_edge.items():
        if not (asked := having & numbers):
            continue
        pks = await instant_index.crossing(
            transaction, workspace, edge, since, until, live.zone, MOST_CROSSING + 1
        )
        if len(pks) > MOST_CROSSING:
            others |= asked
            continue
        await _ask(transaction, workspace, live, asked, sorted(pks), (since, until), found)
    changes = [
        Change(number, entered, left)
        for number, (entered, left) in sorted(found.items())
        if number not in others
    ]
    return Passed(changes, frozenset(others))


async def _ask(  # noqa: PLR0913, PLR0917 - one step of the loop above
    transaction: Transaction,
    workspace: int,
    live: Live,
    asked: frozenset[int],
    pks: Sequence[int],
    span: tuple[int, int],
    found: dict[int, tuple[BitMap, BitMap]],
) -> None:
    since, until = span
    evaluate = await live.evaluator(transaction, asked, 2 * len(pks))
    for part in _parts(pks):
        on_lists = await lists.ids_of(transaction, workspace, part) if live.mention_lists(asked) else {}
        for contact in await queries.by_keys(transaction, workspace, part):
            subject = live.subject(contact, on_lists.get(contact.pk, ()))
            was, is_ = (set(evaluate(subject, at)) for at in (since, until))
            for number in is_ - was:
                found.setdefault(number, (BitMap(), BitMap()))[0].add(contact.pk)
            for number in was - is_:
                found.setdefault(number, (BitMap(), BitMap()))[1].add(contact.pk)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _PART):
        yield items[start : start + _PART]
