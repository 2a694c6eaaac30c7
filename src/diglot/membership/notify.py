"""Webhooks hear of who enters and leaves segments and dynamic lists: of each contact, or of many in one.

What they hear is the log of memberships, in its order and with its sequence numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from diglot.membership.active_segments import ActiveSegments
from diglot.model.contacts import Contact
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.webhooks import AudienceRef, BulkMove, DomainEvent, EventPayload, Move, WebhookEventType
from diglot.storage.contacts import queries
from diglot.storage.membership.changes import DenseKeys, SegmentChange
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit
from diglot.webhooks import outbox

# When a write moves more contacts in one segment, or in all of them together, no contact is told of but how
# many they are: whoever wants to know reads the log.
MAX_PER_SEGMENT: Final = 1_000
MAX_PER_WRITE: Final = 10_000


@dataclass(frozen=True, slots=True)
class LoggedChanges:
    """A row of the log: who moved, the first sequence number, when and why. `people` are contacts at hand."""

    changes: Sequence[SegmentChange]
    first_entry: int
    origin: ChangeOrigin
    active_segments: ActiveSegments
    known_contacts: Mapping[int, Contact]


@dataclass(frozen=True, slots=True)
class _EventTypes:
    """The events of segments, or of dynamic lists."""

    left: WebhookEventType
    entered: WebhookEventType
    bulk: WebhookEventType


_SEGMENT_EVENTS: Final = _EventTypes(
    WebhookEventType.SEGMENT_LEFT, WebhookEventType.SEGMENT_ENTERED, WebhookEventType.SEGMENT_CHANGED
)
_LIST_EVENTS: Final = _EventTypes(
    WebhookEventType.LIST_LEFT, WebhookEventType.LIST_JOINED, WebhookEventType.LIST_CHANGED
)


@dataclass(frozen=True, slots=True)
class _AudienceChange:
    """What a row says of one segment: those who left, from the first number on, then those who entered."""

    event_types: _EventTypes
    audience: AudienceRef
    change: SegmentChange
    first_entry: int

    @property
    def events_with_keys(
        self,
    ) -> tuple[tuple[WebhookEventType, DenseKeys, int], tuple[WebhookEventType, DenseKeys, int]]:
        """Each event with the keys of its contacts and the first of their numbers."""
        left, entered = self.change.left, self.change.entered
        return (self.event_types.left, left, self.first_entry), (
            self.event_types.entered,
            entered,
            self.first_entry + len(left),
        )

    @property
    def notifies_each(self) -> bool:
        """Tell whether each contact may be told of."""
        return self.change.entry_count <= MAX_PER_SEGMENT

    def has_subscribers(self, events: frozenset[WebhookEventType]) -> bool:
        """Tell whether anybody is told by an event that somebody hears."""
        return any(keys and event in events for event, keys, _ in self.events_with_keys)


async def notify_webhooks(unit: WriteUnit, moved: LoggedChanges) -> None:
    """Tell the webhooks that hear of it what a row of the log says; without webhooks nothing is looked at."""
    if not unit.row.active_webhook_count:
        return
    events = await outbox.subscribed_events(unit)
    parts = [part for part in _visible_changes(moved) if part.has_subscribers(events)]
    if parts:
        people = await _load_contacts(unit, moved, parts, events)
        told = (one for part in parts for one in _build_events(part, moved.origin, people, events))
        await outbox.enqueue_events(unit, told)


def _visible_changes(moved: LoggedChanges) -> Iterator[_AudienceChange]:
    """Yield what is known to clients, with the first sequence number of each change."""
    first = moved.first_entry
    for change in moved.changes:
        number = change.segment
        if (group := moved.active_segments.segment_refs.get(number)) is not None:
            yield _AudienceChange(_SEGMENT_EVENTS, group, change, first)
        elif (group := moved.active_segments.list_refs.get(number)) is not None:
            yield _AudienceChange(_LIST_EVENTS, group, change, first)
        first += change.entry_count


async def _load_contacts(
    tenant: Tenant,
    moved: LoggedChanges,
    parts: Sequence[_AudienceChange],
    events: frozenset[WebhookEventType],
) -> Mapping[int, Contact]:
    """Return the contacts to tell of one by one: after the write, or before it for those who are gone."""
    few = [part for part in parts if part.notifies_each]
    if sum(part.change.entry_count for part in few) > MAX_PER_WRITE:
        return {}
    wanted = set(
        chain.from_iterable(keys for one in few for event, keys, _ in one.events_with_keys if event in events)
    )
    missing = sorted(wanted - moved.known_contacts.keys())
    found = {pk: moved.known_contacts[pk] for pk in wanted & moved.known_contacts.keys()}
    for some in queries.split_into_parts(missing):
        found |= {
            one.pk: one for one in await queries.load_contacts(tenant.transaction, tenant.workspace, some)
        }
    return found


def _build_events(
    part: _AudienceChange,
    moment: ChangeOrigin,
    people: Mapping[int, Contact],
    events: frozenset[WebhookEventType],
) -> Iterator[DomainEvent]:
    """Yield each contact, or how many there are: of many, and where one of them is gone since."""
    sides = [side for side in part.events_with_keys if side[0] in events]
    if not part.notifies_each or not all(pk in people for _, keys, _ in sides for pk in keys):
        yield _build_bulk_event(part, moment)
        return
    for event, keys, first in sides:
        for sequence, pk in enumerate(keys, first):
            move = Move(sequence, moment.at, moment.cause)
            yield DomainEvent(event, EventPayload(people[pk], part.audience, move=move))


def _build_bulk_event(part: _AudienceChange, moment: ChangeOrigin) -> DomainEvent:
    entered, left = len(part.change.entered), len(part.change.left)
    last = part.first_entry + part.change.entry_count - 1
    batch = BulkMove(entered, left, part.first_entry, last, moment.at, moment.cause)
    instead = frozenset(event for event, keys, _ in part.events_with_keys if keys)
    return DomainEvent(part.event_types.bulk, EventPayload(group=part.audience, batch=batch), instead)
