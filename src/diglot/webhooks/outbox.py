"""The outbox: writes a delivery for each subscribed webhook, in the transaction of the change itself.

So a delivery exists exactly if its change was committed (transactional outbox).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from diglot.model.contacts import SUBSCRIBED, UNSUBSCRIBED, Contact
from diglot.model.events import ContactEvent, ConversionValue
from diglot.model.ids import new_id
from diglot.model.webhooks import (
    AudienceRef,
    Conversion,
    Delivery,
    DomainEvent,
    EventPayload,
    Webhook,
    WebhookEventType,
)
from diglot.storage.write_unit import DELIVERIES_PER_INSERT, WriteUnit

_encode = msgspec.json.Encoder().encode
# Contact events change these fields, and have webhook events of their own.
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


async def enqueue_events(unit: WriteUnit, events: Iterable[DomainEvent]) -> None:
    """Write a delivery for each event and subscribed webhook."""
    if not unit.row.active_webhook_count:
        return
    matches = _match_webhooks(await unit.active_webhooks(), events)
    while batch := list(islice(matches, DELIVERIES_PER_INSERT)):
        await insert_deliveries(unit, batch)


async def subscribed_events(unit: WriteUnit) -> frozenset[WebhookEventType]:
    """Return the event types to which any webhook has subscribed."""
    return frozenset(event for hook in await unit.active_webhooks() for event in hook.subscriptions)


def _match_webhooks(
    hooks: Sequence[Webhook], events: Iterable[DomainEvent]
) -> Iterator[tuple[Webhook, DomainEvent]]:
    subscribed = {event for hook in hooks for event in hook.subscriptions}
    for event in events:
        types = event.matching_types
        if not types.isdisjoint(subscribed):
            yield from ((hook, event) for hook in hooks if not types.isdisjoint(hook.subscriptions))


async def insert_deliveries(
    unit: WriteUnit, matches: Sequence[tuple[Webhook, DomainEvent]]
) -> list[Delivery]:
    """Insert a delivery for each webhook and event, in order, and return the deliveries."""
    new: list[Delivery] = []
    last: EventPayload | None = None
    payload = ""
    for number, (hook, event) in enumerate(matches, unit.take_keys("delivery", len(matches))):
        if event.payload is not last:
            last, payload = event.payload, _encode(event.payload).decode()
        new.append(_new_delivery(number, hook, event.type, payload, unit.now))
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
    """Yield the events of new contacts."""
    for contact in new:
        yield DomainEvent(WebhookEventType.CONTACT_CREATED, EventPayload(contact))


def updated_events(pairs: Iterable[tuple[Contact, Contact]]) -> Iterator[DomainEvent]:
    """Yield the events of updated contacts: first the update, then a change of the status."""
    for before, after in pairs:
        payload = EventPayload(after)
        if any(getattr(before, name) != getattr(after, name) for name in _REPORTED_FIELDS):
            yield DomainEvent(WebhookEventType.CONTACT_UPDATED, payload)
        if before.status != after.status and after.status in _STATUS_EVENTS:
            yield DomainEvent(_STATUS_EVENTS[after.status], payload)


def left_list_events(
    deleted: Iterable[Contact], left: Iterable[tuple[int, AudienceRef]]
) -> Iterator[DomainEvent]:
    """Yield the events of deleted contacts, given their static lists by key."""
    by_pk = {contact.pk: contact for contact in deleted}
    for pk, group in left:
        yield DomainEvent(WebhookEventType.LIST_LEFT, EventPayload(by_pk[pk], group))


def converted_event(contact: Contact, event: ContactEvent, value: ConversionValue) -> DomainEvent:
    """Return the webhook event of a conversion."""
    conversion = Conversion(
        id=event.id,
        type=event.name,
        revenue=value.revenue,
        currency=value.currency,
        order_id=event.order_id,
        campaign_id=event.campaign_id,
        converted_at=event.happened_at,
        metadata=value.metadata,
    )
    return DomainEvent(WebhookEventType.CONVERTED, EventPayload(contact, conversion=conversion))
