"""Webhooks: who wants to hear of what, what happened, and how its delivery went."""

import enum
from dataclasses import dataclass

import msgspec

from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause


class WebhookEventType(enum.StrEnum):
    """What can happen here, in no vendor's words."""

    CONTACT_CREATED = "contact created"
    CONTACT_UPDATED = "contact updated"
    CONTACT_SUBSCRIBED = "contact subscribed"
    CONTACT_UNSUBSCRIBED = "contact unsubscribed"
    LIST_JOINED = "list joined"
    LIST_LEFT = "list left"
    CONVERTED = "converted"
    SEGMENT_ENTERED = "segment entered"
    SEGMENT_LEFT = "segment left"
    # Many at once, told to whoever hears of each.
    LIST_CHANGED = "list members changed"
    SEGMENT_CHANGED = "segment members changed"
    TESTED = "tested"


class AudienceRef(msgspec.Struct, frozen=True):
    """A list or a segment, as it was called when something happened."""

    id: str
    name: str


class Conversion(msgspec.Struct, frozen=True):
    """What a contact did that counts: its id, its type, and what it was worth."""

    id: str
    type: str
    revenue: float
    currency: str
    order_id: str | None
    campaign_id: str | None
    converted_at: int
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class Move(msgspec.Struct, frozen=True):
    """Which entry of the log of memberships an event tells of: its sequence number, when and why."""

    sequence: int
    at: int
    cause: Cause


class BulkMove(msgspec.Struct, frozen=True):
    """Many entries in one: how many contacts came and went, and from which sequence number to which."""

    entered: int
    left: int
    first: int
    last: int
    at: int
    cause: Cause


class EventPayload(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom an event is about, as they were then: kept as JSON until it is delivered."""

    contact: Contact | None = None
    group: AudienceRef | None = None
    conversion: Conversion | None = None
    move: Move | None = None
    batch: BulkMove | None = None


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """An event that happened to somebody; one that stands for others goes to whoever hears of any of them."""

    type: WebhookEventType
    payload: EventPayload
    stands_for: frozenset[WebhookEventType] = frozenset()

    @property
    def matching_types(self) -> frozenset[WebhookEventType]:
        """The events that whoever is told hears of."""
        return self.stands_for or frozenset({self.type})


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that wants to hear of events. `events` are in the dialect's words, `hears` in ours."""

    number: int
    id: str
    dialect: str
    url: str
    events: tuple[str, ...]
    subscriptions: tuple[WebhookEventType, ...]
    secret: str
    active: bool
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a webhook, or what became of it; `due_at` is None when nothing is to be sent."""

    number: int
    id: str
    webhook: int
    event: WebhookEventType
    payload: str
    attempts: int
    due_at: int | None
    delivered_at: int | None
    last_status: int | None
    last_error: str | None
    last_response: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class WaitingWebhook:
    """A webhook with deliveries on their way, and when the first may be sent."""

    workspace: int
    webhook: int
    due_at: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt went: a status, or an error where no answer came; `ours` where nothing went out.

    `retry_after` is what the answer says of when to ask again, as written.
    """

    status: int | None
    error: str | None = None
    response: str | None = None
    internal_error: bool = False
    retry_after: str | None = None

    @property
    def was_accepted(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def unreachable(self) -> bool:
        """Whether the receiver gave no answer at all."""
        return self.status is None and not self.internal_error


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """A request to a receiver: headers beside the media type, and a body."""

    headers: dict[str, str]
    body: bytes
