"""The outbox: what happened, written for each webhook that wants to hear of it, with the change itself.

A write of contacts passes `contact_writes`; whatever else happens calls `emit` in its transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from diglot.model.contacts import SUBSCRIBED, UNSUBSCRIBED, Contact
from diglot.model.ids import new_id
from diglot.model.webhooks import AudienceRef, Delivery, DomainEvent, EventPayload, Webhook, WebhookEventType
from diglot.storage.write_unit import DELIVERIES_PER_INSERT, WriteUnit

_encode = msgspec.json.Encoder().encode
# They move with what a contact does, which has events of its own.
_UNREPORTED_FIELDS: Final = frozenset(
    {
        *("total_opens", "total_clicks", "total_orders", "total_spent"),
        *("last_opened_at", "last_clicked_at", "last_emailed_at", "updated_at"),
    }
)
_REPORTED_FIELDS: Final = tuple(name for name in Contact.__struct_fields__ if name not in _UNREPORTED_FIELDS)
_STATUS_EVENTS: Final = {
    SUBSCRIBED: WebhookEventType.CONTACT_SUBSCRIBED,
    UNSUBSCRIBED: WebhookEventType.CONTACT_UNSUBSCRIBED,
}


async def enqueue_events(unit: WriteUnit, occurrences: Iterable[DomainEvent]) -> None:
    """Write a delivery of each event to each webhook that subscribes to it."""
    if not unit.row.active_webhook_count:
        return
    heard = _match_webhooks(await unit.active_webhooks(), occurrences)
    while part := list(islice(heard, DELIVERIES_PER_INSERT)):
        await insert_deliveries(unit, part)


async def subscribed_events(unit: WriteUnit) -> frozenset[WebhookEventType]:
    """Return the events that any webhook hears of."""
    return frozenset(event for hook in await unit.active_webhooks() for event in hook.subscriptions)


def _match_webhooks(
    hooks: Sequence[Webhook], occurrences: Iterable[DomainEvent]
) -> Iterator[tuple[Webhook, DomainEvent]]:
    wanted = {event for hook in hooks for event in hook.subscriptions}
    for occurrence in occurrences:
        events = occurrence.matching_types
        if not events.isdisjoint(wanted):
            yield from ((hook, occurrence) for hook in hooks if not events.isdisjoint(hook.subscriptions))


async def insert_deliveries(unit: WriteUnit, heard: Sequence[tuple[Webhook, DomainEvent]]) -> list[Delivery]:
    """Put events into the outbox, in their order; return the deliveries."""
    new: list[Delivery] = []
    last: EventPayload | None = None
    payload = ""
    for number, (hook, occurrence) in enumerate(heard, unit.take_keys("delivery", len(heard))):
        if occurrence.payload is not last:
            last, payload = occurrence.payload, _encode(occurrence.payload).decode()
        new.append(_new_delivery(number, hook, occurrence.type, payload, unit.now))
    await unit.add_deliveries(new)
    return new


def _new_delivery(number: int, hook: Webhook, event: WebhookEventType, payload: str, at: int) -> Delivery:
    return Delivery(
        number=number,
        id=new_id(),
        webhook=hook.number,
        event=event,
        payload=payload,
        attempts=0,
        due_at=at,
        delivered_at=None,
        last_status=None,
        last_error=None,
        last_response=None,
        created_at=at,
    )


def created_events(new: Iterable[Contact]) -> Iterator[DomainEvent]:
    """Yield what new contacts are told of."""
    for contact in new:
        yield DomainEvent(WebhookEventType.CONTACT_CREATED, EventPayload(contact))


def updated_events(pairs: Iterable[tuple[Contact, Contact]]) -> Iterator[DomainEvent]:
    """Yield what changes of contacts are told of: that they changed, then that a status did."""
    for before, after in pairs:
        payload = EventPayload(after)
        if any(getattr(before, name) != getattr(after, name) for name in _REPORTED_FIELDS):
            yield DomainEvent(WebhookEventType.CONTACT_UPDATED, payload)
        if before.status != after.status and after.status in _STATUS_EVENTS:
            yield DomainEvent(_STATUS_EVENTS[after.status], payload)


def left_list_events(
    gone: Iterable[Contact], left: Iterable[tuple[int, AudienceRef]]
) -> Iterator[DomainEvent]:
    """Yield what deleted contacts are told of, given the static lists that each was on, by key."""
    by_pk = {contact.pk: contact for contact in gone}
    for pk, group in left:
        yield DomainEvent(WebhookEventType.LIST_LEFT, EventPayload(by_pk[pk], group))
