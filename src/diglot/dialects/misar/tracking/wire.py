"""Misar's structs for tracking: the newest spellings first, then those of older pages and clients."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import (
    Extension,
    LegacySpelling,
    also_spelled,
    read_at_most,
    refused_as,
    required_by_handler,
    schema_ref,
)
from diglot.api.input.contact_values import EmailOfContact
from diglot.api.input.events import EVENT_NAME_CHECK, INSTANT_CHECK, INSTANT_LENGTH, EventId
from diglot.dialects.misar.contacts.wire import ContactId
from diglot.dialects.misar.wire import Money, NullableText, Time

Id = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=2048)]
Data = Annotated[dict[str, Any], schema_ref("EventData")]
Item = Annotated[dict[str, Any], schema_ref("OrderItem")]
Currency = Annotated[
    str,
    Meta(pattern="^[A-Za-z]{3}$"),
    read_at_most(100),
    refused_as("Invalid currency: expected 3 letters"),
]
MessageId = Annotated[Id, also_spelled("message_id")]
Timestamp = Annotated[
    Time, Meta(description="When it happened; by default, now."), INSTANT_LENGTH, INSTANT_CHECK
]
Cents = Annotated[int, Meta(ge=0, le=2**53 - 1, extra_json_schema={"format": "int64"})]


class TrackEvent(msgspec.Struct, frozen=True):
    """An event of a contact. `event` and `properties` are older spellings of the name and the data."""

    email: EmailOfContact
    event_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            description="`email.opened`, `email.clicked`, `email.sent` and variants of these update the "
            "contact's engagement fields; any other name is your own.",
        ),
        also_spelled("event"),
        EVENT_NAME_CHECK,
    ]
    event_data: Annotated[Data, also_spelled("properties")] | UnsetType | None = UNSET
    source: Id | UnsetType | None = UNSET
    campaign_id: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType | None = UNSET
    page_url: Url | UnsetType | None = UNSET
    referrer: Url | UnsetType | None = UNSET
    event: LegacySpelling[Id] | UnsetType | None = UNSET
    properties: LegacySpelling[Data] | UnsetType | None = UNSET
    timestamp: Timestamp | UnsetType | None = UNSET
    messageId: MessageId | UnsetType | None = UNSET  # noqa: N815
    event_id: Extension[EventId] | UnsetType | None = UNSET


class TrackEventAnswer(msgspec.Struct, frozen=True):
    """The response after an event is stored. Older clients read `tracked`."""

    success: bool
    event_id: ContactId
    tracked: bool


class TrackPurchase(msgspec.Struct, frozen=True):
    """An order of a contact. It counts once, even if it is sent again.

    `orderId`, `revenue` and `amount` are older spellings; `revenue` and `amount` are in units, not in cents.
    """

    email: EmailOfContact
    order_id: Annotated[str, Meta(min_length=1, max_length=100), also_spelled("orderId")]
    total_cents: Annotated[Cents, required_by_handler()]
    currency: Currency | UnsetType | None = UNSET
    items: Annotated[list[Item], Meta(description="At most 64 KiB.")] | UnsetType | None = UNSET
    attribution_window_hours: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=8760,
                description="The maximum age of the attributed click, in hours; by default, 168.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    orderId: LegacySpelling[Id] | UnsetType | None = UNSET  # noqa: N815
    revenue: LegacySpelling[Annotated[Money, also_spelled("amount")]] | UnsetType | None = UNSET
    amount: LegacySpelling[Money] | UnsetType | None = UNSET
    timestamp: Timestamp | UnsetType | None = UNSET
    messageId: MessageId | UnsetType | None = UNSET  # noqa: N815


class Attribution(msgspec.Struct, frozen=True):
    """The click to which a purchase is attributed: the last one before it, if any is known."""

    source: Annotated[str, schema_ref("AttributionSource")]
    campaign_id: NullableText
    automation_id: NullableText
    click_timestamp: Time | None


class TrackPurchaseAnswer(msgspec.Struct, frozen=True):
    """The purchase as it was first recorded. Older clients read `tracked`."""

    success: bool
    purchase_id: ContactId
    attribution: Attribution
    tracked: bool
