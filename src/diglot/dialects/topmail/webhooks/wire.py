"""Topmail's shapes of webhooks: the one resource whose keys are in camel case."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, choice_ref, read_at_most
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
    str, Meta(min_length=1, max_length=256, description="What signs the deliveries, by HMAC-SHA256.")
]


class Trigger(msgspec.Struct, frozen=True):
    """An address that gets one sort of event."""

    id: Id
    event: EventWord
    targetUrl: TargetUrl  # noqa: N815
    createdAt: Time  # noqa: N815


class CreatedTrigger(msgspec.Struct, frozen=True):
    """A new one. Its secret is shown this once: an extension, as the vendor shows it elsewhere."""

    id: Id
    event: EventWord
    targetUrl: TargetUrl  # noqa: N815
    createdAt: Time  # noqa: N815
    secret: Extension[Secret]


class CreatedTriggerAnswer(msgspec.Struct, frozen=True):
    """The answer to a registration."""

    data: CreatedTrigger


class TriggerListAnswer(msgspec.Struct, frozen=True):
    """A window of those that are active."""

    data: list[Trigger]
    pagination: Pagination


class TriggerCreate(msgspec.Struct, frozen=True):
    """What to send where. Without a secret it gets one."""

    targetUrl: TargetUrl  # noqa: N815
    event: EventWord
    secret: Extension[Secret] | UnsetType = UNSET


class TriggerIdQuery(msgspec.Struct, frozen=True):
    """Which one."""

    id: Annotated[Id, Meta(description="The id of the registration.")]
