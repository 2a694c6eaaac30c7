"""Notifies webhooks of contacts that enter and leave segments and dynamic lists.

Events follow the membership log: the same order, the same sequence numbers. A small change gives one event
for each contact, a large one a single event with the numbers of contacts, because receivers can read the
feed.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec

from diglot.membership.active_segments import ActiveSegments
from diglot.model.contacts import Contact
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.webhooks import AudienceRef, BulkMove, DomainEvent, EventPayload, Move, WebhookEventType
from diglot.storage.contacts import queries
from diglot.storage.membership.changes import DenseKeys, SegmentChange
from diglot.storage.slices import split_into_slices
from diglot.storage.write_unit import WriteUnit
from diglot.webhooks import outbox

# If a write moves more contacts in one segment, or in all segments together, the events state only how many
# contacts moved; receivers read the feed for the contacts themselves. A part of a write has its share of
# both.
MAX_PER_SEGMENT: Final = 1_000
MAX_PER_WRITE: Final = 10_000


class LoggedChanges(msgspec.Struct, frozen=True):
    """A row of the log, with its first entry and origin; `known_contacts` need not be loaded again."""

    changes: Sequence[SegmentChange]
    first_entry: int
    origin: ChangeOrigin
    active_segments: ActiveSegments
    known_contacts: Mapping[int, Contact]


class _EventTypes(msgspec.Struct, frozen=True):
    """The event types for segments, or for dynamic lists."""

    left: WebhookEventType
    entered: WebhookEventType
    bulk: WebhookEventType


_SEGMENT_EVENTS: Final = _EventTypes(
    WebhookEventType.SEGMENT_LEFT, WebhookEventType.SEGMENT_ENTERED, WebhookEventType.SEGMENT_CHANGED
)
_LIST_EVENTS: Final = _EventTypes(
    WebhookEventType.LIST_LEFT, WebhookEventType.LIST_JOINED, WebhookEventType.LIST_CHANGED
)


class _AudienceChange(msgspec.Struct, frozen=True):
    """A segment's change in a row; contacts that left have the first entries, before those that entered."""

    event_types: _EventTypes
    audience: AudienceRef
    change: SegmentChange
    first_entry: int
    max_single: float

    @property
    def events_with_keys(
        self,
    ) -> tuple[tuple[WebhookEventType, DenseKeys, int], tuple[WebhookEventType, DenseKeys, int]]:
        """Each event type with the keys of its contacts and their first entry."""
        left, entered = self.change.left, self.change.entered
        return (self.event_types.left, left, self.first_entry), (
            self.event_types.entered,
            entered,
            self.first_entry + len(left),
        )

    @property
    def notifies_each(self) -> bool:
        """Whether the change is small enough for an event for each contact."""
        return self.change.entry_count <= self.max_single

    def has_subscribers(self, events: frozenset[WebhookEventType]) -> bool:
        """Tell whether the change causes an event that has subscribers."""
        return any(keys and event in events for event, keys, _ in self.events_with_keys)


class _Because(msgspec.Struct, frozen=True):
    """Why the changes of a row happened: its origin, and the id of the segment that this names."""

    origin: ChangeOrigin
    segment_id: str | None


def _find_cause_segment(row: LoggedChanges) -> str | None:
    number = row.origin.segment
    return None if number is None else row.active_segments.segment_refs[number].id


async def notify_webhooks(unit: WriteUnit, row: LoggedChanges) -> None:
    """Enqueue the events of a row of the log for the webhooks that subscribe to them."""
    if not unit.row.active_webhook_count:
        return
    events = await outbox.subscribed_events(unit)
    parts = [part for part in _visible_changes(row, unit.share) if part.has_subscribers(events)]
    if parts:
        contacts = await _load_contacts(unit, row, parts, events)
        because = _Because(row.origin, _find_cause_segment(row))
        built = (event for part in parts for event in _build_events(part, because, contacts, events))
        await outbox.enqueue_events(unit, built)


def _visible_changes(row: LoggedChanges, share: float) -> Iterator[_AudienceChange]:
    """Yield the changes that clients may see, each with its first entry."""
    first, max_single = row.first_entry, MAX_PER_SEGMENT * share
    for change in row.changes:
        number = change.segment
        if (ref := row.active_segments.segment_refs.get(number)) is not None:
            yield _AudienceChange(_SEGMENT_EVENTS, ref, change, first, max_single)
        elif (ref := row.active_segments.list_refs.get(number)) is not None:
            yield _AudienceChange(_LIST_EVENTS, ref, change, first, max_single)
        first += change.entry_count


async def _load_contacts(
    unit: WriteUnit,
    row: LoggedChanges,
    parts: Sequence[_AudienceChange],
    events: frozenset[WebhookEventType],
) -> Mapping[int, Contact]:
    """Return the contacts for single events: after the write, or before it if it deleted them."""
    small = [part for part in parts if part.notifies_each]
    if sum(part.change.entry_count for part in small) > MAX_PER_WRITE * unit.share:
        return {}
    needed = set(
        chain.from_iterable(
            keys for part in small for event, keys, _ in part.events_with_keys if event in events
        )
    )
    missing = sorted(needed - row.known_contacts.keys())
    by_key = {pk: row.known_contacts[pk] for pk in needed & row.known_contacts.keys()}
    for pks in split_into_slices(missing):
        loaded = await queries.load_contacts(unit, pks)
        by_key |= {contact.pk: contact for contact in loaded}
    return by_key


def _build_events(
    part: _AudienceChange,
    because: _Because,
    contacts: Mapping[int, Contact],
    events: frozenset[WebhookEventType],
) -> Iterator[DomainEvent]:
    """Yield an event for each contact, or one bulk event for a large change or if a contact is missing."""
    sides = [side for side in part.events_with_keys if side[0] in events]
    if not part.notifies_each or not all(pk in contacts for _, keys, _ in sides for pk in keys):
        yield _build_bulk_event(part, because)
        return
    for event, keys, first in sides:
        for sequence, pk in enumerate(keys, first):
            move = Move(sequence, because.origin.at, because.origin.cause, because.segment_id)
            yield DomainEvent(event, EventPayload(contacts[pk], part.audience, move=move))


def _build_bulk_event(part: _AudienceChange, because: _Because) -> DomainEvent:
    entered, left = len(part.change.entered), len(part.change.left)
    last = part.first_entry + part.change.entry_count - 1
    at, cause = because.origin.at, because.origin.cause
    batch = BulkMove(entered, left, part.first_entry, last, at, cause, because.segment_id)
    instead = frozenset(event for event, keys, _ in part.events_with_keys if keys)
    return DomainEvent(part.event_types.bulk, EventPayload(group=part.audience, batch=batch), instead)
