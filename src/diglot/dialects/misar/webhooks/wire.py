"""Misar's structs for webhooks. The vendor shows no response, so the names follow its other resources."""

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
    """A webhook: an address that receives events."""

    id: WebhookId
    url: WebhookUrl
    events: list[EventWord]
    is_active: bool
    created_at: Time
    updated_at: Time


class CreatedWebhook(msgspec.Struct, frozen=True):
    """A new webhook with its secret, which is shown only once."""

    id: WebhookId
    url: WebhookUrl
    events: list[EventWord]
    secret: Secret
    is_active: bool
    created_at: Time
    updated_at: Time


class WebhookEvent(msgspec.Struct, frozen=True):
    """The delivery of an event to a webhook, and the result of its last attempt."""

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
    """The response to the creation of a webhook."""

    success: bool
    data: CreatedWebhook


class WebhookListAnswer(msgspec.Struct, frozen=True):
    """All webhooks, newest first, under both property names that the vendor's other lists have."""

    success: bool
    data: list[Webhook]
    webhooks: list[Webhook]


class WebhookEventsAnswer(msgspec.Struct, frozen=True):
    """The last 100 events of a webhook, newest first."""

    success: bool
    data: list[WebhookEvent]


class WebhookTestAnswer(msgspec.Struct, frozen=True):
    """The test event that will be delivered."""

    success: bool
    data: WebhookEvent


class WebhookCreate(msgspec.Struct, frozen=True):
    """A webhook to create. Diglot generates a secret if none is given."""

    url: WebhookUrl
    events: EventList
    secret: Secret | UnsetType = UNSET
    is_active: Active | UnsetType = UNSET


class WebhookPatch(msgspec.Struct, frozen=True):
    """The fields of a webhook to update. Deactivating it discards its pending deliveries."""

    url: WebhookUrl | UnsetType = UNSET
    events: EventList | UnsetType = UNSET
    secret: Secret | UnsetType = UNSET
    is_active: Active | UnsetType = UNSET
