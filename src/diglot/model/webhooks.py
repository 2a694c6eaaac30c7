"""Webhooks: subscriptions, events, and the deliveries of events."""

import enum

import msgspec

from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause


class WebhookEventType(enum.StrEnum):
    """The types of events that Diglot sends, independent of any dialect."""

    CONTACT_CREATED = "contact created"
    CONTACT_UPDATED = "contact updated"
    CONTACT_SUBSCRIBED = "contact subscribed"
    CONTACT_UNSUBSCRIBED = "contact unsubscribed"
    LIST_JOINED = "list joined"
    LIST_LEFT = "list left"
    CONVERTED = "converted"
    SEGMENT_ENTERED = "segment entered"
    SEGMENT_LEFT = "segment left"
    # These stand for many events at once, and go to every webhook that subscribed to one of them.
    LIST_CHANGED = "list members changed"
    SEGMENT_CHANGED = "segment members changed"
    TESTED = "tested"


class WebhookSource(msgspec.Struct, frozen=True):
    """Where the webhooks of a vendor arrive for a workspace, given by number and name.

    Without a secret, which is None, none is accepted.
    """

    id: str
    workspace: int
    workspace_name: str
    time_zone: str
    dialect: str
    secret: str | None
    created_at: int


class AudienceRef(msgspec.Struct, frozen=True):
    """The id and name of a list or segment when an event happened."""

    id: str
    name: str


class Conversion(msgspec.Struct, frozen=True):
    """A conversion of a contact; `converted_at` is in microseconds."""

    id: str
    type: str
    revenue: float
    currency: str
    order_id: str | None
    campaign_id: str | None
    converted_at: int
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class Move(msgspec.Struct, frozen=True):
    """The entry of the membership log that an event reports: its number, its time and its cause.

    `cause_segment_id` is the id of the segment that the origin of the change names, if it names one.
    """

    sequence: int
    at: int
    cause: Cause
    cause_segment_id: str | None = None


class BulkMove(msgspec.Struct, frozen=True):
    """Many entries in one event: how many contacts entered and left, and the range of entry numbers."""

    entered: int
    left: int
    first: int
    last: int
    at: int
    cause: Cause
    cause_segment_id: str | None = None


class EventPayload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The contact and objects of an event as they were when it happened, stored as JSON until delivery."""

    contact: Contact | None = None
    group: AudienceRef | None = None
    conversion: Conversion | None = None
    move: Move | None = None
    batch: BulkMove | None = None


class DomainEvent(msgspec.Struct, frozen=True):
    """An event of a contact, or one for many events, sent to subscribers of any type in `stands_for`."""

    type: WebhookEventType
    payload: EventPayload
    stands_for: frozenset[WebhookEventType] = frozenset()

    @property
    def matching_types(self) -> frozenset[WebhookEventType]:
        """The types of which a webhook must have subscribed to at least one."""
        return self.stands_for or frozenset({self.type})


class Webhook(msgspec.Struct, frozen=True):
    """A webhook. `events` are subscribed names of its dialect, `subscriptions` the types they stand for."""

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


class Delivery(msgspec.Struct, frozen=True):
    """The delivery of an event to a webhook; `due_at` is None once it is delivered or given up."""

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


class WaitingWebhook(msgspec.Struct, frozen=True):
    """A webhook with waiting deliveries, and when the first one may be sent."""

    workspace: int
    webhook: int
    due_at: int


class Attempt(msgspec.Struct, frozen=True):
    """The result of one attempt: a status, or an error if no response arrived.

    `internal_error` means that nothing was sent. `retry_after` is that header of the response (RFC 9110,
    section 10.2.3), unparsed.
    """

    status: int | None
    error: str | None = None
    response: str | None = None
    internal_error: bool = False
    retry_after: str | None = None

    @property
    def was_accepted(self) -> bool:
        """Whether the receiver answered with a 2xx status."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def unreachable(self) -> bool:
        """Whether the receiver did not answer at all."""
        return self.status is None and not self.internal_error

    @property
    def outcome(self) -> str:
        """The outcome in one word, for metrics."""
        if self.internal_error:
            return "failed"
        if self.unreachable:
            return "unreachable"
        return "accepted" if self.was_accepted else "rejected"


class WebhookMessage(msgspec.Struct, frozen=True):
    """The request to a receiver: its body, and headers besides the media type."""

    headers: dict[str, str]
    body: bytes
