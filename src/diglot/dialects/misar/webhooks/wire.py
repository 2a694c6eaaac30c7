"""Misar's shapes of webhooks. No page or client shows an answer: named like the vendor's other resources."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Uuid, also_spelled, choice_ref, read_at_most, schema_ref
from diglot.api.input.webhooks import MAX_TARGET_URL_READ
from diglot.api.patterns import WEBHOOK_URL
from diglot.dialects.misar.webhooks.messages import EVENTS
from diglot.dialects.misar.wire import Count, NullableText, Time

WebhookId = Uuid
WebhookUrl = Annotated[
    str,
    Meta(max_length=2048, pattern=WEBHOOK_URL, examples=["https://example.com/hooks"]),
    read_at_most(MAX_TARGET_URL_READ),
]
EventWord = Annotated[str, choice_ref("WebhookEventType", tuple(EVENTS))]
Secret = Annotated[str, Meta(min_length=1, max_length=256, examples=["whsec_..."])]
Active = Annotated[bool, also_spelled("active")]
EventList = Annotated[list[EventWord], Meta(min_length=1)]


class Webhook(msgspec.Struct, frozen=True):
    """An address that gets events."""

    id: WebhookId
    url: WebhookUrl
    events: list[EventWord]
    is_active: bool
    created_at: Time
    updated_at: Time


class CreatedWebhook(msgspec.Struct, frozen=True):
    """A new webhook with its secret, which is shown this once."""

    id: WebhookId
    url: WebhookUrl
    events: list[EventWord]
    secret: Secret
    is_active: bool
    created_at: Time
    updated_at: Time


class WebhookEvent(msgspec.Struct, frozen=True):
    """An event on its way to a webhook, and how its last attempt went."""

    id: str
    type: str
    status: Annotated[str, schema_ref("DeliveryStatus")]
    attempts: Count
    status_code: int | None
    response_body: NullableText
    error: NullableText
    created_at: Time
    delivered_at: Time | None
    next_attempt_at: Time | None


class WebhookAnswer(msgspec.Struct, frozen=True):
    """One webhook."""

    success: bool
    data: Webhook


class CreatedWebhookAnswer(msgspec.Struct, frozen=True):
    """The answer to a registration."""

    success: bool
    data: CreatedWebhook


class WebhookListAnswer(msgspec.Struct, frozen=True):
    """All webhooks, newest first, under both keys that the vendor's other lists have."""

    success: bool
    data: list[Webhook]
    webhooks: list[Webhook]


class WebhookEventsAnswer(msgspec.Struct, frozen=True):
    """The last 100 events of a webhook, newest first."""

    success: bool
    data: list[WebhookEvent]


class WebhookTestAnswer(msgspec.Struct, frozen=True):
    """The test event that is on its way."""

    success: bool
    data: WebhookEvent


class WebhookCreate(msgspec.Struct, frozen=True):
    """A new webhook. Without a secret it gets one."""

    url: WebhookUrl
    events: EventList
    secret: Secret | UnsetType = UNSET
    is_active: Active | UnsetType = UNSET


class WebhookPatch(msgspec.Struct, frozen=True):
    """The parts of a webhook to change. Switched off, it loses what is on its way."""

    url: WebhookUrl | UnsetType = UNSET
    events: EventList | UnsetType = UNSET
    secret: Secret | UnsetType = UNSET
    is_active: Active | UnsetType = UNSET
