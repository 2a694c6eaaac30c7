"""Misar's event names, and the deliveries (the vendor's webhooks pages, the verifier in its clients)."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.formatting import format_milliseconds
from diglot.api.input.webhooks import EventNames
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.model.contacts import Contact
from diglot.model.ids import format_prefixed_id
from diglot.model.webhooks import (
    AudienceRef,
    BulkMove,
    Delivery,
    EventPayload,
    Move,
    Webhook,
    WebhookEventType,
    WebhookMessage,
)
from diglot.webhooks import payload

# Extensions that the vendor does not have.
EXTENSION_EVENTS: Final[EventNames] = {
    "segment.entered": WebhookEventType.SEGMENT_ENTERED,
    "segment.left": WebhookEventType.SEGMENT_LEFT,
}
EVENTS: Final[EventNames] = {
    "contact.created": WebhookEventType.CONTACT_CREATED,
    "contact.updated": WebhookEventType.CONTACT_UPDATED,
    "email.unsubscribed": WebhookEventType.CONTACT_UNSUBSCRIBED,
    # Clients may subscribe to events of sending email, but only the vendor sends email and emits them.
    "email.sent": None,
    "email.delivered": None,
    "email.opened": None,
    "email.clicked": None,
    "email.bounced": None,
    "email.complained": None,
    "email.received": None,
    "campaign.sent": None,
    "campaign.completed": None,
    **EXTENSION_EVENTS,
}
TEST_EVENT: Final = "webhook.test"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of every secret, not a secret
# A bulk event, sent to the webhooks that subscribe to the single event.
BULK_EVENT: Final = "segment.members_changed"
_EVENT_NAMES: Final = {event: word for word, event in EVENTS.items() if event} | {
    WebhookEventType.TESTED: TEST_EVENT,
    WebhookEventType.SEGMENT_CHANGED: BULK_EVENT,
}
_encode = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct):
    id: str
    type: str
    created_at: str | None
    data: msgspec.Struct


class _Unsubscribed(msgspec.Struct):
    """The vendor's properties of an email event; `message` is missing if no message caused the event."""

    message_id: None
    email: str
    campaign_id: None
    timestamp: str | None
    contact_id: str


class _Segment(msgspec.Struct):
    id: str
    name: str


class _MemberMoved(msgspec.Struct):
    """A contact that entered or left a segment, with the sequence number and the reason of the change."""

    segment: _Segment
    contact: contacts_wire.Contact
    sequence: int
    at: str | None
    cause: str
    cause_segment_id: str | UnsetType = UNSET


class _MembersMoved(msgspec.Struct):
    """Contacts that entered or left a segment together: their number, and the range of sequence numbers."""

    segment: _Segment
    entered: int
    left: int
    first_sequence: int
    last_sequence: int
    at: str | None
    cause: str
    cause_segment_id: str | UnsetType = UNSET


class _TestData(msgspec.Struct):
    webhook_id: str
    message: str = "This is a test delivery"


def event_id(delivery: Delivery) -> str:
    """Return the public id of an event."""
    return "evt_" + delivery.id.replace("-", "")


def event_type(event: WebhookEventType) -> str:
    """Return Misar's name for an event."""
    return _EVENT_NAMES[event]


def render_message(webhook: Webhook, delivery: Delivery, now: int) -> WebhookMessage:
    """Return the delivery, signed with the time, as clients verify it, and without, as the pages document."""
    id_, type_ = event_id(delivery), event_type(delivery.event)
    data = _build_data(webhook, delivery, payload.decode_payload(delivery))
    body = _encode(_Envelope(id_, type_, format_milliseconds(delivery.created_at), data))
    timestamp = str(now // 1_000_000)
    headers = {
        "X-Misar-Signature": payload.compute_signature(webhook.secret, timestamp.encode(), b".", body),
        "X-Misar-Timestamp": timestamp,
        "X-MisarMail-Signature": payload.compute_signature(webhook.secret, body),
        "X-Misar-Event": type_,
        "X-Misar-Delivery": id_,
        **payload.standard_headers(webhook.secret, id_, now, body),
    }
    return WebhookMessage(headers, body)


def _build_data(webhook: Webhook, delivery: Delivery, subject: EventPayload) -> msgspec.Struct:
    contact = subject.contact
    if subject.batch is not None:
        return _build_bulk_move(subject.group, subject.batch)
    if contact is None:
        return _TestData(webhook.id)
    if delivery.event is WebhookEventType.CONTACT_UNSUBSCRIBED:
        time = format_milliseconds(delivery.created_at)
        return _Unsubscribed(None, contact.shown_email, None, time, contact.id)
    if subject.move is not None:
        return _build_move(subject.group, contact, subject.move)
    return contacts_show.show_contact(contact)


def _build_segment(group: AudienceRef | None) -> _Segment:
    assert group is not None
    return _Segment(format_prefixed_id(group.id), group.name)


def _show_cause_segment(id_: str | None) -> str | UnsetType:
    return UNSET if id_ is None else format_prefixed_id(id_)


def _build_move(group: AudienceRef | None, contact: Contact, move: Move) -> _MemberMoved:
    return _MemberMoved(
        segment=_build_segment(group),
        contact=contacts_show.show_contact(contact),
        sequence=move.sequence,
        at=format_milliseconds(move.at),
        cause=move.cause.value,
        cause_segment_id=_show_cause_segment(move.cause_segment_id),
    )


def _build_bulk_move(group: AudienceRef | None, batch: BulkMove) -> _MembersMoved:
    return _MembersMoved(
        segment=_build_segment(group),
        entered=batch.entered,
        left=batch.left,
        first_sequence=batch.first,
        last_sequence=batch.last,
        at=format_milliseconds(batch.at),
        cause=batch.cause.value,
        cause_segment_id=_show_cause_segment(batch.cause_segment_id),
    )
