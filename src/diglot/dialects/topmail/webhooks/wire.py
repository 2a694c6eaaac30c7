"""Topmail's structs for webhooks, the only resource with properties in camel case."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, choice_ref, read_at_most, read_by
from diglot.api.input.query_string import any_text
from diglot.api.input.webhooks import MAX_TARGET_URL_READ
from diglot.api.patterns import WEBHOOK_URL
from diglot.dialects.topmail.webhooks.messages import EVENTS
from diglot.dialects.topmail.wire import Id, Pagination, Time

TargetUrl = Annotated[
    str,
    Meta(max_length=2048, pattern=WEBHOOK_URL, examples=["https://example.com/hooks"]),
    read_at_most(MAX_TARGET_URL_READ),
]
EventWord = Annotated[str, choice_ref("TriggerEvent", tuple(EVENTS))]
Secret = Annotated[
    str,
    Meta(min_length=1, max_length=256, description="The secret that signs the deliveries, by HMAC-SHA256."),
]


class Trigger(msgspec.Struct, frozen=True):
    """A webhook: an address that receives one type of event."""

    id: Id
    event: EventWord
    targetUrl: TargetUrl  # noqa: N815
    createdAt: Time  # noqa: N815


class CreatedTrigger(msgspec.Struct, frozen=True):
    """A new webhook. Its secret is shown only once, as an extension: the vendor shows it elsewhere."""

    id: Id
    event: EventWord
    targetUrl: TargetUrl  # noqa: N815
    createdAt: Time  # noqa: N815
    secret: Extension[Secret]


class CreatedTriggerAnswer(msgspec.Struct, frozen=True):
    """The response to the creation of a webhook."""

    data: CreatedTrigger


class TriggerListAnswer(msgspec.Struct, frozen=True):
    """A window of the active webhooks."""

    data: list[Trigger]
    pagination: Pagination


class TriggerCreate(msgspec.Struct, frozen=True):
    """A webhook to create. Diglot generates a secret if none is given."""

    targetUrl: TargetUrl  # noqa: N815
    event: EventWord
    secret: Extension[Secret] | UnsetType = UNSET


class TriggerIdQuery(msgspec.Struct, frozen=True):
    """Which one."""

    id: Annotated[Id, Meta(description="The id of the webhook."), read_by(any_text)]
