"""Misar's shapes of tracking: the newest clients' first, then the spellings of older pages and clients."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.openapi.annotations import Older, named
from diglot.dialects.misar.contacts.wire import ContactId
from diglot.dialects.misar.wire import Email, Money, Text, Time

Id = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=2048)]
Data = Annotated[dict[str, Any], named("EventData")]
Item = Annotated[dict[str, Any], named("OrderItem")]
Currency = Annotated[str, Meta(pattern="^[A-Za-z]{3}$")]
Cents = Annotated[int, Meta(ge=0, le=2**53 - 1, extra_json_schema={"format": "int64"})]


class TrackEvent(msgspec.Struct, frozen=True):
    """What a contact did. `event` and `properties` are older spellings of the name and the data."""

    email: Email
    event_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            description="`email.opened`, `email.clicked`, `email.sent` and their like move the contact's "
            "engagement fields; any other name is your own.",
        ),
    ]
    event_data: Data | UnsetType | None = UNSET
    source: Id | UnsetType | None = UNSET
    campaign_id: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType | None = UNSET
    page_url: Url | UnsetType | None = UNSET
    referrer: Url | UnsetType | None = UNSET
    event: Older[Id] | UnsetType | None = UNSET
    properties: Older[Data] | UnsetType | None = UNSET
    timestamp: Annotated[Time, Meta(description="When it happened; now, if left out.")] | UnsetType | None = (
        UNSET
    )
    messageId: Id | UnsetType | None = UNSET  # noqa: N815


class TrackEventAnswer(msgspec.Struct, frozen=True):
    """The event is stored. `tracked` is what older clients look for."""

    success: bool
    event_id: ContactId
    tracked: bool


class TrackPurchase(msgspec.Struct, frozen=True):
    """An order of a contact, which counts once however often it is told.

    `orderId`, `revenue` and `amount` are older spellings; these two are in units, not in cents.
    """

    email: Email
    order_id: Annotated[str, Meta(min_length=1, max_length=100)]
    total_cents: Cents
    currency: Currency | UnsetType | None = UNSET
    items: Annotated[list[Item], Meta(description="At most 64 KiB.")] | UnsetType | None = UNSET
    attribution_window_hours: (
        Annotated[
            int,
            Meta(ge=1, le=8760, description="How old the click may be that earned it; 168, if left out."),
        ]
        | UnsetType
        | None
    ) = UNSET
    orderId: Older[Id] | UnsetType | None = UNSET  # noqa: N815
    revenue: Older[Money] | UnsetType | None = UNSET
    amount: Older[Money] | UnsetType | None = UNSET
    timestamp: Annotated[Time, Meta(description="When it happened; now, if left out.")] | UnsetType | None = (
        UNSET
    )
    messageId: Id | UnsetType | None = UNSET  # noqa: N815


class Attribution(msgspec.Struct, frozen=True):
    """What earned a purchase: the last click before it, or nothing that is known."""

    source: Annotated[str, named("AttributionSource")]
    campaign_id: Text
    automation_id: Text
    click_timestamp: Time | None


class TrackPurchaseAnswer(msgspec.Struct, frozen=True):
    """The purchase as it was told first. `tracked` is what older clients look for."""

    success: bool
    purchase_id: ContactId
    attribution: Attribution
    tracked: bool
