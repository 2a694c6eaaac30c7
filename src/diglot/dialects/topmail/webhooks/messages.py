"""Topmail's words for events, and what a receiver gets (the vendor's webhooks page)."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.formatting import in_milliseconds, whole_if_integral
from diglot.api.input.webhooks import EventWords
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.model.contacts import Contact
from diglot.model.webhooks import (
    AudienceRef,
    BulkMove,
    Conversion,
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
    "contact.subscribed": WebhookEventType.CONTACT_SUBSCRIBED,
    "contact.unsubscribed": WebhookEventType.CONTACT_UNSUBSCRIBED,
    # What is sent elsewhere: may be asked for, as clients do, and happens where the sending does.
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
    **OURS,
}
# Many at once: they go to whoever hears of each.
_MANY: Final = {
    WebhookEventType.LIST_CHANGED: "list.members_changed",
    WebhookEventType.SEGMENT_CHANGED: "segment.members_changed",
}
_WORDS: Final = {event: word for word, event in EVENTS.items() if event} | _MANY
_IN_SEGMENTS: Final = (
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
    WebhookEventType.SEGMENT_CHANGED,
)
_encode = msgspec.json.Encoder().encode


class _Payload(msgspec.Struct):
    event: str
    data: msgspec.Struct
    timestamp: str | None


class _Group(msgspec.Struct):
    id: str
    name: str


class _Moved(msgspec.Struct, kw_only=True):
    """A contact that entered or left a list or a segment.

    Where a condition decides, `sequence` is the entry of the segment's changes that tells of it.
    """

    list: _Group | UnsetType = UNSET
    segment: _Group | UnsetType = UNSET
    contact: contacts_wire.Contact
    sequence: int | UnsetType = UNSET
    at: str | UnsetType | None = UNSET
    cause: str | UnsetType = UNSET


class _ManyMoved(msgspec.Struct, kw_only=True):
    """Contacts that entered or left at once: how many, and between which entries they are."""

    list: _Group | UnsetType = UNSET
    segment: _Group | UnsetType = UNSET
    entered: int
    left: int
    first_sequence: int
    last_sequence: int
    at: str | None
    cause: str


class _Contact(msgspec.Struct):
    id: str
    email: str


class _Converted(msgspec.Struct):
    id: str
    type: str
    revenue: float | None
    currency: str
    order_id: str | None
    contact: _Contact
    campaign_id: str | None
    metadata: msgspec.Raw
    converted_at: str | None


def message(webhook: Webhook, delivery: Delivery, now: int) -> Message:
    """Return what goes out, signed as a whole; its id is an extension, to tell a repetition by."""
    del now
    word = _WORDS[delivery.event]
    data = _data(delivery.event, payload.subject_of(delivery))
    body = _encode(_Payload(word, data, in_milliseconds(delivery.created_at)))
    headers = {
        "X-TopMail-Signature": payload.signature(webhook.secret, body),
        "X-TopMail-Event": word,
        "X-TopMail-Delivery": delivery.id,
    }
    return Message(headers, body)


def _data(event: WebhookEventType, subject: EventPayload) -> msgspec.Struct:
    contact, group = subject.contact, subject.group
    if subject.batch is not None:
        assert group is not None
        return _many(event, group, subject.batch)
    assert contact is not None
    if subject.conversion is not None:
        return _converted(subject.conversion, contact)
    if group is None:
        return contacts_show.contact(contact)
    return _moved(event, group, contact, subject.move)


def _list_or_segment(
    event: WebhookEventType, group: AudienceRef
) -> tuple[_Group | UnsetType, _Group | UnsetType]:
    named = _Group(group.id, group.name)
    return (UNSET, named) if event in _IN_SEGMENTS else (named, UNSET)


def _moved(event: WebhookEventType, group: AudienceRef, contact: Contact, move: Move | None) -> _Moved:
    list_, segment = _list_or_segment(event, group)
    moved = _Moved(list=list_, segment=segment, contact=contacts_show.contact(contact))
    if move is not None:
        moved.sequence, moved.at = move.sequence, in_milliseconds(move.at)
        moved.cause = move.cause.value
    return moved


def _many(event: WebhookEventType, group: AudienceRef, batch: BulkMove) -> _ManyMoved:
    list_, segment = _list_or_segment(event, group)
    return _ManyMoved(
        list=list_,
        segment=segment,
        entered=batch.entered,
        left=batch.left,
        first_sequence=batch.first,
        last_sequence=batch.last,
        at=in_milliseconds(batch.at),
        cause=batch.cause.value,
    )


def _converted(one: Conversion, contact: Contact) -> _Converted:
    return _Converted(
        id=one.id,
        type=one.type,
        revenue=whole_if_integral(one.revenue),
        currency=one.currency,
        order_id=one.order_id,
        contact=_Contact(contact.id, contact.email),
        campaign_id=one.campaign_id,
        metadata=one.metadata,
        converted_at=in_milliseconds(one.converted_at),
    )
