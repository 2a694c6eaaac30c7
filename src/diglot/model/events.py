"""Events: what a contact did, as stored and as reported by a client."""

import enum
from dataclasses import dataclass
from typing import Final

import msgspec

from diglot.errors import Path

# The type of conversions that are orders.
PURCHASE: Final = "purchase"


class EventKind(enum.StrEnum):
    """The meaning of an event, whatever a vendor calls it."""

    OPEN = "open"
    CLICK = "click"
    SENT = "sent"
    CONVERSION = "conversion"
    VIEW = "view"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """A stored event. `number` is dense within the workspace; instants are in microseconds.

    `body` is JSON that no query reads: a `ConversionValue` for a conversion, else the properties as sent.
    """

    number: int
    id: str
    kind: EventKind
    name: str
    order_id: str | None
    campaign_id: str | None
    happened_at: int
    created_at: int
    body: str


class ConversionValue(msgspec.Struct, frozen=True):
    """The value of a conversion and its attribution.

    `clicked_at` is the click (microseconds) that the conversion is attributed to, None if there is none;
    `metadata` is JSON as sent.
    """

    revenue: float
    currency: str
    flow_id: str | None
    attribution_model: str
    clicked_at: int | None
    metadata: msgspec.Raw


@dataclass(frozen=True, slots=True)
class ContactRef:
    """The contact of an event, by id or address; if both are given they must match the same contact.

    An invalid id becomes an empty string, which matches no contact.
    """

    id: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class OccurredAt:
    """When an event happened, in microseconds, and the path at which the client sent it."""

    instant: int
    path: Path


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event reported by a client; without `occurred_at` it happens now.

    A conversion has a `value`, and is attributed to the last click within `attribution_window` microseconds.
    """

    kind: EventKind
    name: str
    body: str = "{}"
    occurred_at: OccurredAt | None = None
    order_id: str | None = None
    campaign_id: str | None = None
    value: ConversionValue | None = None
    attribution_window: int = 0


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event with the id and address of its contact."""

    event: ContactEvent
    contact_id: str
    email: str


@dataclass(frozen=True, slots=True)
class ConversionFilter:
    """A filter of conversions; None does not filter."""

    contact_id: str | None = None
    campaign_id: str | None = None
    type: str | None = None
