"""Events: what a contact did, as stored and as reported by a client."""

import enum
from dataclasses import dataclass
from typing import Final

import msgspec

from diglot.errors import Path

# The type of conversions that are orders.
PURCHASE: Final = "purchase"
# What the source id of an order begins with.
_ORDER: Final = "order:"
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class EventKind(enum.StrEnum):
    """The meaning of an event, whatever a vendor calls it."""

    OPEN = "open"
    CLICK = "click"
    SENT = "sent"
    CONVERSION = "conversion"
    VIEW = "view"
    OTHER = "other"


# The names of events of sending, as both vendors and the conditions have them, that stand for an activity.
ACTIVITIES: Final = {
    "email.opened": EventKind.OPEN,
    "email.clicked": EventKind.CLICK,
    "email.sent": EventKind.SENT,
    "email.delivered": EventKind.SENT,
}
# The kinds of ids that clients give to events; all others have one together.
_ID_KINDS: Final = {EventKind.CONVERSION: "conversion", EventKind.VIEW: "view"}


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """A stored event. `number` is dense within the workspace; instants are in microseconds.

    `stream` is the number of its name, None if no condition counts it. `source_id` makes an event that is
    sent twice one event. `body` is JSON that no query reads: a `ConversionValue` for a conversion, else the
    properties as sent.
    """

    number: int
    id: str
    kind: EventKind
    name: str
    stream: int | None
    source_id: str | None
    campaign_id: str | None
    happened_at: int
    created_at: int
    body: str

    @property
    def order_id(self) -> str | None:
        """The id of the order that the event reports, or None."""
        return read_order_id(self.source_id)


def read_order_id(source_id: str | None) -> str | None:
    """Return the id of an order from the source id of its event; None for another event."""
    if source_id is None or not source_id.startswith(_ORDER):
        return None
    return source_id.removeprefix(_ORDER)


def read_client_id(source_id: str | None) -> str | None:
    """Return the id that a client gave to an event from its source id; None without one, and for an order."""
    if source_id is None or source_id.startswith(_ORDER):
        return None
    return source_id.partition(":")[2]


def show_properties(event: ContactEvent) -> msgspec.Raw:
    """Return the properties of an event as JSON, each as it was sent.

    Those of a conversion are its metadata, its revenue and its currency.
    """
    members = _decode_members(event.body)
    if event.kind is EventKind.VIEW:
        return msgspec.Raw(event.body.encode())
    if event.kind is not EventKind.CONVERSION:
        return members.get("data", msgspec.Raw(b"{}"))
    worth = {name: members[name] for name in ("revenue", "currency")}
    return msgspec.Raw(_encode({**_decode_members(members["metadata"]), **worth}))


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
    `order_id` or else `event_id` makes an event that is sent twice one event; `sender` is the dialect of a
    vendor whose webhook told of it, whose ids are its own.
    """

    kind: EventKind
    name: str
    body: str = "{}"
    occurred_at: OccurredAt | None = None
    order_id: str | None = None
    campaign_id: str | None = None
    value: ConversionValue | None = None
    attribution_window: int = 0
    event_id: str | None = None
    sender: str | None = None

    @property
    def source_id(self) -> str | None:
        """What makes this event and a repetition one: the kind of an id, a colon, and the id.

        Calls that answer differently have ids of different kinds, so that each finds its own events again.
        """
        if self.order_id is not None:
            return f"{_ORDER}{self.order_id}"
        if self.event_id is None:
            return None
        return f"{self.sender or _ID_KINDS.get(self.kind, 'event')}:{self.event_id}"


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


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter of events; None does not filter.

    `name` is in normal form C. Events happened at `since` or later, and earlier than `before` (microseconds).
    """

    contact_id: str | None = None
    name: str | None = None
    since: int | None = None
    before: int | None = None
