"""Webhooks hear of who enters and leaves segments and dynamic lists: of each contact, or of many in one.

What they hear is the log of memberships, in its order and with its sequence numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from diglot.membership.active_segments import Live
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Moment
from diglot.model.webhooks import Batch, Event, Group, Move, Occurrence, Subject
from diglot.storage.contacts import queries
from diglot.storage.membership.changes import Change, Keys
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import Locked
from diglot.webhooks import outbox

# When a write moves more contacts in one segment, or in all of them together, no contact is told of but how
# many they are: whoever wants to know reads the log.
MOST_IN_ONE: Final = 1_000
MOST_IN_ALL: Final = 10_000


@dataclass(frozen=True, slots=True)
class Moved:
    """A row of the log: who moved, the first sequence number, when and why. `people` are contacts at hand."""

    changes: Sequence[Change]
    first: int
    moment: Moment
    live: Live
    people: Mapping[int, Contact]


@dataclass(frozen=True, slots=True)
class _Kind:
    """The events of segments, or of dynamic lists."""

    left: Event
    entered: Event
    many: Event


_SEGMENT: Final = _Kind(Event.SEGMENT_LEFT, Event.SEGMENT_ENTERED, Event.SEGMENT_CHANGED)
_LIST: Final = _Kind(Event.LIST_LEFT, Event.LIST_JOINED, Event.LIST_CHANGED)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a row says of one segment: those who left, from the first number on, then those who entered."""

    kind: _Kind
    group: Group
    change: Change
    first: int

    @property
    def sides(self) -> tuple[tuple[Event, Keys, int], tuple[Event, Keys, int]]:
        """Each event with the keys of its contacts and the first of their numbers."""
        left, entered = self.change.left, self.change.entered
        return (self.kind.left, left, self.first), (self.kind.entered, entered, self.first + len(left))

    @property
    def few(self) -> bool:
        """Tell whether each contact may be told of."""
        return self.change.numbers <= MOST_IN_ONE

    def heard(self, events: frozenset[Event]) -> bool:
        """Tell whether anybody is told by an event that somebody hears."""
        return any(keys and event in events for event, keys, _ in self.sides)


async def tell(transaction: Transaction, workspace: int, locked: Locked, moved: Moved, at: int) -> None:
    """Tell the webhooks that hear of it what a row of the log says; without webhooks nothing is looked at."""
    if not locked.webhooks:
        return
    events = await outbox.heard(transaction, workspace)
    parts = [part for part in _parts(moved) if part.heard(events)]
    if parts:
        people = await _people(transaction, workspace, moved, parts, events)
        told = (one for part in parts for one in _told(part, moved.moment, people, events))
        await outbox.emit(transaction, workspace, locked, told, at)


def _parts(moved: Moved) -> Iterator[_Part]:
    """Yield what is known to clients, with the first sequence number of each change."""
    first = moved.first
    for change in moved.changes:
        number = change.segment
        if (group := moved.live.groups.get(number)) is not None:
            yield _Part(_SEGMENT, group, change, first)
        elif (group := moved.live.dynamic_lists.get(number)) is not None:
            yield _Part(_LIST, group, change, first)
        first += change.numbers


async def _people(
    transaction: Transaction,
    workspace: int,
    moved: Moved,
    parts: Sequence[_Part],
    events: frozenset[Event],
) -> Mapping[int, Contact]:
    """Return the contacts to tell of one by one: after the write, or before it for those who are gone."""
    few = [part for part in parts if part.few]
    if sum(part.change.numbers for part in few) > MOST_IN_ALL:
        return {}
    wanted = set(chain.from_iterable(keys for one in few for event, keys, _ in one.sides if event in events))
    missing = sorted(wanted - moved.people.keys())
    found = {pk: moved.people[pk] for pk in wanted & moved.people.keys()}
    for some in queries.parts(missing):
        found |= {one.pk: one for one in await queries.by_keys(transaction, workspace, some)}
    return found


def _told(
    part: _Part, moment: Moment, people: Mapping[int, Contact], events: frozenset[Event]
) -> Iterator[Occurrence]:
    """Yield each contact, or how many there are: of many, and where one of them is gone since."""
    sides = [side for side in part.sides if side[0] in events]
    if not part.few or not all(pk in people for _, keys, _ in sides for pk in keys):
        yield _batch(part, moment)
        return
    for event, keys, first in sides:
        for sequence, pk in enumerate(keys, first):
            move = Move(sequence, moment.at, moment.cause)
            yield Occurrence(event, Subject(people[pk], part.group, move=move))


def _batch(part: _Part, moment: Moment) -> Occurrence:
    entered, left = len(part.change.entered), len(part.change.left)
    last = part.first + part.change.numbers - 1
    batch = Batch(entered, left, part.first, last, moment.at, moment.cause)
    instead = frozenset(event for event, keys, _ in part.sides if keys)
    return Occurrence(part.kind.many, Subject(group=part.group, batch=batch), instead)
