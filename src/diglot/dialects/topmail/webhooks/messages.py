"""Topmail's event names, and the deliveries (the vendor's webhooks page)."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.formatting import format_milliseconds, whole_if_integral
from diglot.api.input.webhooks import EventNames
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.model.contacts import Contact
from diglot.model.webhooks import (
    AudienceRef,
    BulkMove,
    Conversion,
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
    "contact.subscribed": WebhookEventType.CONTACT_SUBSCRIBED,
    "contact.unsubscribed": WebhookEventType.CONTACT_UNSUBSCRIBED,
    # Clients may subscribe to events of sending email, but only the vendor sends email and emits them.
    "campaign.sent": None,
    "campaign.completed": None,
    "email.sent": None,
    "email.delivered": None,
    "email.opened": None,
    "email.clicked": None,
    "email.bounced": None,
    "email.complained": None,
    "flow.triggered": None,
    "flow.completed": None,
    "form.submitted": None,
    "conversion.created": WebhookEventType.CONVERTED,
    "list.member_added": WebhookEventType.LIST_JOINED,
    "list.member_removed": WebhookEventType.LIST_LEFT,
    **EXTENSION_EVENTS,
}
# Nobody subscribes to it: the console sends it on request (an extension).
TEST_EVENT: Final = "webhook.test"
# Bulk events, sent to the webhooks that subscribe to the single events.
_BULK_EVENTS: Final = {
    WebhookEventType.LIST_CHANGED: "list.members_changed",
    WebhookEventType.SEGMENT_CHANGED: "segment.members_changed",
}
_EVENT_NAMES: Final = {event: word for word, event in EVENTS.items() if event} | {
    **_BULK_EVENTS,
    WebhookEventType.TESTED: TEST_EVENT,
}
_SEGMENT_EVENTS: Final = (
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
    WebhookEventType.SEGMENT_CHANGED,
)
_encode = msgspec.json.Encoder().encode


class _Payload(msgspec.Struct):
    event: str
    data: msgspec.Struct
    timestamp: str | None


class _Audience(msgspec.Struct):
    id: str
    name: str


class _MemberMoved(msgspec.Struct, kw_only=True):
    """A contact that entered or left a list or a segment.

    If a condition decides membership, `sequence` is the number of the change in the segment's history, and
    `cause_segment_id` the segment in which the contact moved, if the condition references it.
    """

    list: _Audience | UnsetType = UNSET
    segment: _Audience | UnsetType = UNSET
    contact: contacts_wire.Contact
    sequence: int | UnsetType = UNSET
    at: str | UnsetType | None = UNSET
    cause: str | UnsetType = UNSET
    cause_segment_id: str | UnsetType = UNSET


class _MembersMoved(msgspec.Struct, kw_only=True):
    """Contacts that entered or left together: their number, the range of sequence numbers, and why."""

    list: _Audience | UnsetType = UNSET
    segment: _Audience | UnsetType = UNSET
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


class _ContactName(msgspec.Struct):
    id: str
    email: str


class _ConversionData(msgspec.Struct):
    id: str
    type: str
    revenue: float | None
    currency: str
    order_id: str | None
    contact: _ContactName
    campaign_id: str | None
    metadata: msgspec.Raw
    converted_at: str | None


def render_message(webhook: Webhook, delivery: Delivery, now: int) -> WebhookMessage:
    """Return the delivery, signed as a whole; its id is an extension, by which receivers detect a retry."""
    word = _EVENT_NAMES[delivery.event]
    data = _build_data(webhook, delivery.event, payload.decode_payload(delivery))
    body = _encode(_Payload(word, data, format_milliseconds(delivery.created_at)))
    headers = {
        "X-TopMail-Signature": payload.compute_signature(webhook.secret, body),
        "X-TopMail-Event": word,
        "X-TopMail-Delivery": delivery.id,
        **payload.standard_headers(webhook.secret, delivery.id, now, body),
    }
    return WebhookMessage(headers, body)


def _build_data(webhook: Webhook, event: WebhookEventType, subject: EventPayload) -> msgspec.Struct:
    contact, group = subject.contact, subject.group
    if subject.batch is not None:
        assert group is not None
        return _build_bulk_move(event, group, subject.batch)
    if contact is None:
        return _TestData(webhook.id)
    if subject.conversion is not None:
        return _build_conversion(subject.conversion, contact)
    if group is None:
        return contacts_show.show_contact(contact)
    return _build_move(event, group, contact, subject.move)


def _list_and_segment(
    event: WebhookEventType, group: AudienceRef
) -> tuple[_Audience | UnsetType, _Audience | UnsetType]:
    named = _Audience(group.id, group.name)
    return (UNSET, named) if event in _SEGMENT_EVENTS else (named, UNSET)


def _build_move(
    event: WebhookEventType, group: AudienceRef, contact: Contact, move: Move | None
) -> _MemberMoved:
    list_, segment = _list_and_segment(event, group)
    moved = _MemberMoved(list=list_, segment=segment, contact=contacts_show.show_contact(contact))
    if move is not None:
        moved.sequence, moved.at = move.sequence, format_milliseconds(move.at)
        moved.cause = move.cause.value
        moved.cause_segment_id = move.cause_segment_id or UNSET
    return moved


def _build_bulk_move(event: WebhookEventType, group: AudienceRef, batch: BulkMove) -> _MembersMoved:
    list_, segment = _list_and_segment(event, group)
    return _MembersMoved(
        list=list_,
        segment=segment,
        entered=batch.entered,
        left=batch.left,
        first_sequence=batch.first,
        last_sequence=batch.last,
        at=format_milliseconds(batch.at),
        cause=batch.cause.value,
        cause_segment_id=batch.cause_segment_id or UNSET,
    )


def _build_conversion(conversion: Conversion, contact: Contact) -> _ConversionData:
    return _ConversionData(
        id=conversion.id,
        type=conversion.type,
        revenue=whole_if_integral(conversion.revenue),
        currency=conversion.currency,
        order_id=conversion.order_id,
        contact=_ContactName(contact.id, contact.shown_email),
        campaign_id=conversion.campaign_id,
        metadata=conversion.metadata,
        converted_at=format_milliseconds(conversion.converted_at),
    )
