"""Topmail's structs for conversions and product views, with the properties in the vendor's order."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, choice_ref, read_at_most, refused_as, schema_ref
from diglot.api.input.contact_values import EmailOfContact
from diglot.api.input.events import EVENT_NAME_CHECK, INSTANT_CHECK, INSTANT_LENGTH, EventId
from diglot.api.patterns import URL
from diglot.dialects.topmail.schemas import CONVERSION_TYPES
from diglot.dialects.topmail.wire import Id, Money, NullableText, Number, Pagination, Time, WindowQuery

Short = Annotated[str, Meta(min_length=1, max_length=100)]
Word = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=2048, pattern=URL), refused_as("Invalid url")]
Currency = Annotated[
    str,
    Meta(pattern="^[A-Za-z]{3}$", examples=["USD"]),
    read_at_most(100),
    refused_as("Invalid currency: expected 3 letters"),
]
Type = Annotated[str, choice_ref("ConversionType", CONVERSION_TYPES)]
_TYPE_FAULT: Final = refused_as(
    "Invalid enum value. Expected " + " | ".join(f"'{option}'" for option in CONVERSION_TYPES)
)
ConvertedAt = Annotated[
    Time, Meta(description="When it happened; by default, now."), INSTANT_LENGTH, INSTANT_CHECK
]
Metadata = Annotated[msgspec.Raw, schema_ref("Metadata")]
MetadataSent = Annotated[dict[str, Any], schema_ref("Metadata")]


class ContactName(msgspec.Struct, frozen=True):
    """The contact of a conversion."""

    id: Id
    email: str


class Source(msgspec.Struct, frozen=True):
    """The campaign or flow to which a conversion is attributed. Diglot knows its id, but not its name."""

    id: str
    name: NullableText


class Conversion(msgspec.Struct, frozen=True):
    """A conversion."""

    id: Id
    type: Type
    revenue: Number
    currency: str
    order_id: NullableText
    contact: ContactName
    campaign: Source | None
    flow: Source | None
    attribution_model: str
    metadata: Metadata
    converted_at: Time
    created_at: Time


class ConversionAnswer(msgspec.Struct, frozen=True):
    """A conversion, as it was first recorded."""

    data: Conversion


class ConversionListAnswer(msgspec.Struct, frozen=True):
    """A window of conversions."""

    data: list[Conversion]
    pagination: Pagination


class ProductView(msgspec.Struct, frozen=True):
    """A product view."""

    id: Id
    contact_id: Id
    product_id: str
    product_name: str
    viewed_at: Time


class ProductViewAnswer(msgspec.Struct, frozen=True):
    """A product view."""

    data: ProductView


class ConversionQuery(WindowQuery, frozen=True):
    """The filters and the window of a list of conversions."""

    contact_id: (
        Annotated[str, Meta(description="Only conversions of this contact; an invalid id has none.")]
        | UnsetType
    ) = UNSET
    campaign_id: (
        Annotated[str, Meta(description="Only conversions attributed to this campaign.")] | UnsetType
    ) = UNSET
    type: Annotated[Type, Meta(description="Only conversions of this type."), _TYPE_FAULT] | UnsetType = UNSET


class OfContact(msgspec.Struct, frozen=True):
    """The contact of an event; either property is enough."""

    email: EmailOfContact | UnsetType | None = UNSET
    contact_id: Annotated[Id, read_at_most(100)] | UnsetType | None = UNSET


class ConversionCreate(OfContact, frozen=True):
    """A conversion of the contact with this `email` or `contact_id`. Each `order_id` counts once."""

    type: Type | UnsetType | None = "custom"
    revenue: Money | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = "USD"
    order_id: Short | UnsetType | None = UNSET
    campaign_id: Short | UnsetType | None = UNSET
    flow_id: Short | UnsetType | None = UNSET
    attribution_model: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType | None = "last_touch"
    metadata: MetadataSent | UnsetType | None = UNSET
    converted_at: ConvertedAt | UnsetType | None = UNSET
    event_id: Extension[EventId] | UnsetType | None = UNSET


class ProductViewCreate(OfContact, frozen=True, kw_only=True):
    """A product view by the contact with this `email` or `contact_id`."""

    product_id: Short
    product_name: Annotated[str, Meta(min_length=1, max_length=200)]
    product_url: Url
    variant_id: Word | UnsetType | None = UNSET
    image_url: Url | UnsetType | None = UNSET
    price: Money | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = "USD"
    category: Word | UnsetType | None = UNSET
    brand: Word | UnsetType | None = UNSET
    sku: Word | UnsetType | None = UNSET
    session_id: Word | UnsetType | None = UNSET
    event_id: Extension[EventId] | UnsetType | None = UNSET


class EventCreate(OfContact, frozen=True, kw_only=True):
    """An event of the contact with this `email` or `contact_id`."""

    name: Annotated[
        Short,
        Meta(
            description="`email.opened`, `email.clicked`, `email.sent` and `email.delivered` update the "
            "contact's engagement fields; any other name is your own."
        ),
        EVENT_NAME_CHECK,
    ]
    properties: MetadataSent | UnsetType | None = UNSET
    campaign_id: (
        Annotated[Short, Meta(description="The campaign in which it happened.")] | UnsetType | None
    ) = UNSET
    occurred_at: ConvertedAt | UnsetType | None = UNSET
    event_id: EventId | UnsetType | None = UNSET


class TrackedEvent(msgspec.Struct, frozen=True):
    """An event, as it was first recorded."""

    id: Id
    contact_id: Id
    name: str
    occurred_at: Time


class TrackedEventAnswer(msgspec.Struct, frozen=True):
    """An event."""

    data: TrackedEvent
