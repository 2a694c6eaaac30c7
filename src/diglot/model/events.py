"""Events: what a contact did, as stored, and as somebody tells it."""

import enum
from dataclasses import dataclass
from typing import Final

import msgspec

from diglot.errors import Path

# The type of the conversions that are orders.
PURCHASE: Final = "purchase"


class EventKind(enum.StrEnum):
    """What an event means here, whatever it is called."""

    OPEN = "open"
    CLICK = "click"
    SENT = "sent"
    CONVERSION = "conversion"
    VIEW = "view"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """An event as stored: `number` is dense within the workspace, `body` is JSON, instants in microseconds.

    `body` holds what no query asks for: a `Worth` of a conversion, what was sent of the others.
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
    """What a conversion is worth and what earned it.

    `clicked_at` is the click that it is put down to, where one was found; `metadata` is JSON as sent.
    """

    revenue: float
    currency: str
    flow_id: str | None
    attribution_model: str
    clicked_at: int | None
    metadata: msgspec.Raw


@dataclass(frozen=True, slots=True)
class ContactRef:
    """The contact of an event, by id or by address; where both are given they have to agree.

    An id that is none of ours is empty: nobody has it.
    """

    id: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class OccurredAt:
    """When an event happened, in microseconds, and the path it was told at."""

    instant: int
    path: Path


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that somebody tells of; without `when` it happens now.

    For a conversion `worth` says what it is worth, and clicks of the last `window` microseconds may have
    earned it.
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
    """An event and whose it is."""

    event: ContactEvent
    contact_id: str
    email: str


@dataclass(frozen=True, slots=True)
class ConversionFilter:
    """Which conversions are asked for; what is None is not asked about."""

    contact_id: str | None = None
    campaign_id: str | None = None
    type: str | None = None
