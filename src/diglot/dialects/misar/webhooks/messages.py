"""Misar's words for events, and what a receiver gets (the vendor's webhooks pages, its clients' verifier)."""

from typing import Final

import msgspec

from diglot.api.formatting import in_milliseconds
from diglot.api.input.webhooks import EventWords
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.model.contacts import Contact
from diglot.model.ids import format_prefixed_id
from diglot.model.webhooks import (
    AudienceRef,
    BulkMove,
    Delivery,
    EventPayload,
    Message,
    Move,
    Webhook,
    WebhookEventType,
)
from diglot.webhooks import payload

# What the vendor does not have.
OURS: Final[EventWords] = {
    "segment.entered": WebhookEventType.SEGMENT_ENTERED,
    "segment.left": WebhookEventType.SEGMENT_LEFT,
}
EVENTS: Final[EventWords] = {
    "contact.created": WebhookEventType.CONTACT_CREATED,
    "contact.updated": WebhookEventType.CONTACT_UPDATED,
    "email.unsubscribed": WebhookEventType.CONTACT_UNSUBSCRIBED,
    # What is sent elsewhere: may be asked for, as clients do, and happens where the sending does.
    "email.sent": None,
    "email.delivered": None,
    "email.opened": None,
    "email.clicked": None,
    "email.bounced": None,
    "email.complained": None,
    "email.received": None,
    "campaign.sent": None,
    "campaign.completed": None,
    **OURS,
}
TEST: Final = "webhook.test"
# Many at once: goes to whoever hears of each.
MANY: Final = "segment.members_changed"
_TYPES: Final = {event: word for word, event in EVENTS.items() if event} | {
    WebhookEventType.TESTED: TEST,
    WebhookEventType.SEGMENT_CHANGED: MANY,
}
_encode = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct):
    id: str
    type: str
    created_at: str | None
    data: msgspec.Struct


class _Unsubscribed(msgspec.Struct):
    """The vendor's parts of an e-mail event; what no message caused has no message."""

    message_id: None
    email: str
    campaign_id: None
    timestamp: str | None
    contact_id: str


class _Segment(msgspec.Struct):
    id: str
    name: str


class _Moved(msgspec.Struct):
    """A contact that entered or left a segment: which entry of the segment's changes that is, and why."""

    segment: _Segment
    contact: contacts_wire.Contact
    sequence: int
    at: str | None
    cause: str


class _ManyMoved(msgspec.Struct):
    """Contacts that entered or left a segment at once: their number, and between which entries they are."""

    segment: _Segment
    entered: int
    left: int
    first_sequence: int
    last_sequence: int
    at: str | None
    cause: str


class _Test(msgspec.Struct):
    webhook_id: str
    message: str = "This is a test delivery"


def event_id(delivery: Delivery) -> str:
    """Return the id of an event as receivers see it."""
    return "evt_" + delivery.id.replace("-", "")


def event_type(event: WebhookEventType) -> str:
    """Return the word for an event."""
    return _TYPES[event]


def message(webhook: Webhook, delivery: Delivery, now: int) -> Message:
    """Return what goes out, signed twice: with the time, as clients verify, and without, as the pages say."""
    id_, type_ = event_id(delivery), event_type(delivery.event)
    data = _data(webhook, delivery, payload.subject_of(delivery))
    body = _encode(_Envelope(id_, type_, in_milliseconds(delivery.created_at), data))
    timestamp = str(now // 1_000_000)
    headers = {
        "X-Misar-Signature": payload.signature(webhook.secret, timestamp.encode(), b".", body),
        "X-Misar-Timestamp": timestamp,
        "X-MisarMail-Signature": payload.signature(webhook.secret, body),
        "X-Misar-Event": type_,
        "X-Misar-Delivery": id_,
    }
    return Message(headers, body)


def _data(webhook: Webhook, delivery: Delivery, subject: EventPayload) -> msgspec.Struct:
    contact = subject.contact
    if subject.batch is not None:
        return _many(subject.group, subject.batch)
    if contact is None:
        return _Test(webhook.id)
    if delivery.event is WebhookEventType.CONTACT_UNSUBSCRIBED:
        time = in_milliseconds(delivery.created_at)
        return _Unsubscribed(None, contact.email, None, time, contact.id)
    if subject.move is not None:
        return _moved(subject.group, contact, subject.move)
    return contacts_show.contact(contact)


def _segment(group: AudienceRef | None) -> _Segment:
    assert group is not None
    return _Segment(format_prefixed_id(group.id), group.name)


def _moved(group: AudienceRef | None, contact: Contact, move: Move) -> _Moved:
    return _Moved(
        segment=_segment(group),
        contact=contacts_show.contact(contact),
        sequence=move.sequence,
        at=in_milliseconds(move.at),
        cause=move.cause.value,
    )


def _many(group: AudienceRef | None, batch: BulkMove) -> _ManyMoved:
    return _ManyMoved(
        segment=_segment(group),
        entered=batch.entered,
        left=batch.left,
        first_sequence=batch.first,
        last_sequence=batch.last,
        at=in_milliseconds(batch.at),
        cause=batch.cause.value,
    )
