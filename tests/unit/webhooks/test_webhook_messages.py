"""Messages to receivers: in the words of their dialect, signed as their clients verify."""

import hashlib
import hmac
import json
import time
from typing import Any

import msgspec
import pytest
from misarmail import verify_webhook_signature  # type: ignore[import-untyped]
from msgspec.structs import replace
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError

from diglot.dialects.misar.webhooks import messages as misar
from diglot.dialects.topmail.webhooks import messages as topmail
from diglot.model.contacts import Contact, ContactChange
from diglot.model.ids import format_prefixed_id, new_id
from diglot.model.membership_changes import Cause
from diglot.model.webhooks import (
    AudienceRef,
    BulkMove,
    Conversion,
    Delivery,
    EventPayload,
    Move,
    Webhook,
    WebhookEventType,
    WebhookMessage,
)
from diglot.service.contacts.contact_changes import new_contact

AT = 1_772_366_400_123_000
ID = "01a213d1-0b90-725e-8b12-61c7b5e07e09"
SEGMENT = AudienceRef("01a213d1-0b8f-7676-a266-75d9f03f969d", "Friends")
CONVERSION = Conversion(
    id="c1",
    type="purchase",
    revenue=12.0,
    currency="EUR",
    order_id="o1",
    campaign_id=None,
    converted_at=AT,
    metadata=msgspec.Raw(b'{"a":1}'),
)
MOVE = Move(12, AT, Cause.TIME)
MOVED = {"sequence": 12, "at": "2026-03-01T12:00:00.123Z", "cause": "time"}
BATCH = BulkMove(3_000, 2, 13, 3_014, AT, Cause.SEGMENT_CHANGED)
BATCHED = {
    "entered": 3_000,
    "left": 2,
    "first_sequence": 13,
    "last_sequence": 3_014,
    "at": "2026-03-01T12:00:00.123Z",
    "cause": "segment changed",
}
SECRET = "whsec_h\u00e9"


def contact() -> Contact:
    """Return a contact with a name that is not ASCII."""
    change = ContactChange({"email": "ada@example.com", "first_name": "Zoë — 💌"})
    return new_contact(change, 1, new_id(), AT)


def webhook(dialect: str) -> Webhook:
    return Webhook(
        1, "w1", dialect, "https://example.com/", (), (), SECRET, active=True, created_at=AT, updated_at=AT
    )


def delivery(event: WebhookEventType, subject: EventPayload) -> Delivery:
    encoded = msgspec.json.encode(subject).decode()
    return Delivery(1, ID, 1, event, encoded, 0, AT, None, None, None, None, AT)


def decode(message: WebhookMessage) -> Any:
    return json.loads(message.body)


def signed(*parts: bytes) -> str:
    return hmac.new(SECRET.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def test_misars_envelope() -> None:
    """An id, a type, milliseconds, and the contact as the API shows it."""
    person = contact()
    message = misar.render_message(
        webhook("misar"), delivery(WebhookEventType.CONTACT_CREATED, EventPayload(person)), AT
    )
    result = decode(message)
    assert list(result) == ["id", "type", "created_at", "data"]
    assert result["id"] == "evt_01a213d10b90725e8b1261c7b5e07e09"
    assert (result["type"], result["created_at"]) == ("contact.created", "2026-03-01T12:00:00.123Z")
    assert (result["data"]["id"], result["data"]["first_name"]) == (person.id, "Zoë — 💌")
    assert message.headers["X-Misar-Event"] == "contact.created"
    assert message.headers["X-Misar-Delivery"] == result["id"]


def test_the_vendors_client_verifies_misars_signature() -> None:
    """The signature is invalid if a byte of the body, the time or the secret differs."""
    now = time.time_ns() // 1_000
    message = misar.render_message(
        webhook("misar"), delivery(WebhookEventType.CONTACT_UPDATED, EventPayload(contact())), now
    )
    signature, timestamp = message.headers["X-Misar-Signature"], message.headers["X-Misar-Timestamp"]
    assert verify_webhook_signature(message.body, signature, timestamp, SECRET)
    assert not verify_webhook_signature(message.body + b" ", signature, timestamp, SECRET)
    assert not verify_webhook_signature(message.body, signature, str(int(timestamp) + 1), SECRET)
    assert not verify_webhook_signature(message.body, signature, timestamp, "another")


def test_both_of_misars_signatures_and_topmails() -> None:
    """The vendors' pages sign only the body."""
    about = delivery(WebhookEventType.CONTACT_UPDATED, EventPayload(contact()))
    message = misar.render_message(webhook("misar"), about, AT)
    assert message.headers["X-Misar-Timestamp"] == "1772366400"
    assert message.headers["X-Misar-Signature"] == signed(b"1772366400.", message.body)
    assert message.headers["X-MisarMail-Signature"] == signed(message.body)
    message = topmail.render_message(webhook("topmail"), about, AT)
    assert message.headers["X-TopMail-Signature"] == signed(message.body)


RENDERERS = {"misar": misar.render_message, "topmail": topmail.render_message}


@pytest.mark.parametrize("dialect", RENDERERS)
@pytest.mark.parametrize(
    ("secret", "given"),
    [
        ("whsec_" + "0a1b2c3d" * 8, "whsec_" + "0a1b2c3d" * 8),
        ("0a1b2c3d" * 8, "0a1b2c3d" * 8),
        ("bm8gcGFkZGluZw", "bm8gcGFkZGluZw"),
        ("not Base64: h\u00e9", "not Base64: h\u00e9".encode()),
        ("whsec_h\u00e9", "whsec_h\u00e9".encode()),
        ("whsec_", b"whsec_"),
        ("abcde", b"abcde"),
    ],
    ids=["prefix", "hexadecimal", "no padding", "text", "prefixed text", "prefix alone", "impossible length"],
)
def test_standard_webhooks_verify(dialect: str, secret: str, given: str | bytes) -> None:
    """The library takes the registered secret, or its bytes if it is not Base64; any change is noticed."""
    now = time.time_ns() // 1_000
    about = delivery(WebhookEventType.SEGMENT_ENTERED, EventPayload(contact(), SEGMENT, move=MOVE))
    message = RENDERERS[dialect](replace(webhook(dialect), secret=secret), about, now)
    receiver = StandardWebhook(given)
    assert receiver.verify(message.body, message.headers) == decode(message)
    vendors = {"misar": "X-Misar-Delivery", "topmail": "X-TopMail-Delivery"}
    assert message.headers["webhook-id"] == message.headers[vendors[dialect]]
    another = str(int(message.headers["webhook-timestamp"]) + 1)
    for body, headers in (
        (message.body + b" ", message.headers),
        (message.body, message.headers | {"webhook-timestamp": another}),
        (message.body, message.headers | {"webhook-id": "another"}),
    ):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(body, headers)


def test_the_body_is_the_same_on_every_attempt() -> None:
    """Only the time of sending differs."""
    about = delivery(WebhookEventType.CONTACT_UPDATED, EventPayload(contact()))
    first, second = (misar.render_message(webhook("misar"), about, AT + later) for later in (0, 60_000_000))
    assert first.body == second.body
    assert first.headers["X-Misar-Signature"] != second.headers["X-Misar-Signature"]


def test_misars_other_events() -> None:
    """An opt-out is an e-mail event without a message; a test names its webhook."""
    person = contact()
    hook = webhook("misar")
    result = decode(
        misar.render_message(hook, delivery(WebhookEventType.CONTACT_UNSUBSCRIBED, EventPayload(person)), AT)
    )
    assert result["type"] == "email.unsubscribed"
    assert result["data"] == {
        "message_id": None,
        "email": "ada@example.com",
        "campaign_id": None,
        "timestamp": "2026-03-01T12:00:00.123Z",
        "contact_id": person.id,
    }
    result = decode(misar.render_message(hook, delivery(WebhookEventType.TESTED, EventPayload()), AT))
    assert (result["type"], result["data"]["webhook_id"]) == ("webhook.test", "w1")


@pytest.mark.parametrize(
    ("dialect", "shown"), [("misar", format_prefixed_id(SEGMENT.id)), ("topmail", SEGMENT.id)]
)
def test_a_referenced_segment_is_named(dialect: str, shown: str) -> None:
    """A change because of a segment that the rules name has its id, as the dialect shows it."""
    move = Move(12, AT, Cause.TIME, SEGMENT.id)
    batch = BulkMove(3_000, 2, 13, 3_014, AT, Cause.SEGMENT_CHANGED, SEGMENT.id)
    for event, payload in (
        (WebhookEventType.SEGMENT_ENTERED, EventPayload(contact(), SEGMENT, move=move)),
        (WebhookEventType.SEGMENT_CHANGED, EventPayload(group=SEGMENT, batch=batch)),
    ):
        data = decode(RENDERERS[dialect](webhook(dialect), delivery(event, payload), AT))["data"]
        assert data["cause_segment_id"] == shown


@pytest.mark.parametrize(
    ("event", "word"),
    [(WebhookEventType.SEGMENT_ENTERED, "segment.entered"), (WebhookEventType.SEGMENT_LEFT, "segment.left")],
)
def test_misars_segment_events(event: WebhookEventType, word: str) -> None:
    """The event names the contact, the segment, the entry, the time and the cause."""
    person = contact()
    result = decode(
        misar.render_message(
            webhook("misar"), delivery(event, EventPayload(person, SEGMENT, move=MOVE)), AT + 60_000_000
        )
    )
    assert (result["type"], list(result["data"])) == (word, ["segment", "contact", *MOVED])
    assert result["data"]["segment"] == {"id": format_prefixed_id(SEGMENT.id), "name": "Friends"}
    assert result["data"]["contact"]["id"] == person.id
    assert {key: result["data"][key] for key in MOVED} == MOVED


def test_many_changes_in_one_event() -> None:
    """The event has the numbers of both kinds, and the first and the last entry, alike in both dialects."""
    hook = webhook("misar")
    many = EventPayload(group=SEGMENT, batch=BATCH)
    message = misar.render_message(hook, delivery(WebhookEventType.SEGMENT_CHANGED, many), AT)
    result = decode(message)
    assert result["type"] == message.headers["X-Misar-Event"] == "segment.members_changed"
    shown = {"id": format_prefixed_id(SEGMENT.id), "name": "Friends"}
    assert list(result["data"].items()) == [("segment", shown), *BATCHED.items()]
    for event, key in (
        (WebhookEventType.SEGMENT_CHANGED, "segment"),
        (WebhookEventType.LIST_CHANGED, "list"),
    ):
        message = topmail.render_message(webhook("topmail"), delivery(event, many), AT)
        result = decode(message)
        assert result["event"] == message.headers["X-TopMail-Event"] == f"{key}.members_changed"
        shown = {"id": SEGMENT.id, "name": "Friends"}
        assert list(result["data"].items()) == [(key, shown), *BATCHED.items()]


@pytest.mark.parametrize(
    ("event", "word", "key"),
    [
        (WebhookEventType.LIST_JOINED, "list.member_added", "list"),
        (WebhookEventType.LIST_LEFT, "list.member_removed", "list"),
        (WebhookEventType.SEGMENT_ENTERED, "segment.entered", "segment"),
        (WebhookEventType.SEGMENT_LEFT, "segment.left", "segment"),
    ],
)
def test_topmails_segment_and_list_events(event: WebhookEventType, word: str, key: str) -> None:
    """The event has the group and the contact; for a dynamic group it has the entry too."""
    by_condition = delivery(event, EventPayload(contact(), SEGMENT, move=MOVE))
    message = topmail.render_message(webhook("topmail"), by_condition, AT)
    result = decode(message)
    assert (result["event"], list(result["data"])) == (word, [key, "contact", *MOVED])
    assert result["data"][key] == {"id": SEGMENT.id, "name": "Friends"}
    assert {name: result["data"][name] for name in MOVED} == MOVED
    assert (message.headers["X-TopMail-Event"], message.headers["X-TopMail-Delivery"]) == (word, ID)
    by_hand = delivery(event, EventPayload(contact(), SEGMENT))
    result = decode(topmail.render_message(webhook("topmail"), by_hand, AT))
    assert list(result["data"]) == [key, "contact"]


def test_topmails_payload() -> None:
    """An event, the contact as the API shows it, milliseconds."""
    result = decode(
        topmail.render_message(
            webhook("topmail"), delivery(WebhookEventType.CONTACT_SUBSCRIBED, EventPayload(contact())), AT
        )
    )
    assert list(result) == ["event", "data", "timestamp"]
    assert (result["event"], result["timestamp"]) == ("contact.subscribed", "2026-03-01T12:00:00.123Z")
    assert result["data"]["subscribed"] is True


def test_topmails_conversions() -> None:
    """The event has the value of the conversion, and its contact."""
    person = contact()
    about = delivery(WebhookEventType.CONVERTED, EventPayload(person, conversion=CONVERSION))
    result = decode(topmail.render_message(webhook("topmail"), about, AT))
    assert result["event"] == "conversion.created"
    assert result["data"] == {
        "id": "c1",
        "type": "purchase",
        "revenue": 12,
        "currency": "EUR",
        "order_id": "o1",
        "contact": {"id": person.id, "email": "ada@example.com"},
        "campaign_id": None,
        "metadata": {"a": 1},
        "converted_at": "2026-03-01T12:00:00.123Z",
    }


def test_a_test_of_topmail_names_its_webhook() -> None:
    """The console sends it on request, though nobody subscribes to it."""
    hook = webhook("topmail")
    message = topmail.render_message(hook, delivery(WebhookEventType.TESTED, EventPayload()), AT)
    body = decode(message)
    assert (body["event"], body["data"]["webhook_id"]) == ("webhook.test", "w1")
    assert message.headers["X-TopMail-Event"] == "webhook.test"
