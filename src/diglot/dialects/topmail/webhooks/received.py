"""Topmail's own webhooks, as Diglot receives them: the scheme as far as it is known, and the types."""

import hashlib
import hmac
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from diglot.api.annotations import schema_ref
from diglot.api.extensions.received_webhooks import ReceivedFormat, ReceivedType, VendorMessage
from diglot.api.input.request import HasScope, find_header
from diglot.conditions import dates
from diglot.dialects.topmail.wire import Time
from diglot.dialects.topmail.words import DIALECT_NAME
from diglot.model.events import ACTIVITIES
from diglot.webhooks.payload import compute_signature

# The signed time is that of the event, and the vendor sends it again for up to three days.
MAX_AGE: Final = 3 * 86_400 * 1_000_000
TYPES: Final = {name: ReceivedType(name, kind) for name, kind in ACTIVITIES.items()} | {
    "email.bounced": ReceivedType("email.bounced", lowers="bounced"),
    "email.complained": ReceivedType("email.complained", lowers="complained"),
    "contact.unsubscribed": ReceivedType("contact.unsubscribed", lowers="unsubscribed"),
}


class VendorWebhook(msgspec.Struct, frozen=True):
    """A webhook of the vendor; types that are not about an email of a contact are ignored."""

    event: Annotated[str, Meta(min_length=1, max_length=100)]
    data: Annotated[dict[str, Any], schema_ref("Metadata")]
    timestamp: Time


class _Signed(msgspec.Struct):
    timestamp: str


_decode: Final = msgspec.json.Decoder(_Signed).decode
_UTC: Final = ZoneInfo("UTC")


def is_signed(request: HasScope, body: bytes, secret: str, now: int) -> bool:
    """Tell whether a request has the signature of a secret over its body, whose time is recent.

    `now` is in microseconds.
    """
    sent = find_header(request, b"x-topmail-signature")
    if sent is None:
        return False
    matches = hmac.compare_digest(compute_signature(secret, body).encode(), sent.encode("latin-1"))
    return matches and _is_recent(body, now)


def _is_recent(body: bytes, now: int) -> bool:
    try:
        parsed = dates.parse_to_microsecond(_decode(body).timestamp)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return parsed is not None and abs(now - parsed.to_instant(_UTC)) <= MAX_AGE


def _read(webhook: VendorWebhook, body: bytes) -> VendorMessage:
    # A message has no id that its signature covers, so equal bodies are one message.
    return VendorMessage(webhook.event, hashlib.sha256(body).hexdigest(), webhook.timestamp, webhook.data)


RECEIVED: Final = ReceivedFormat(DIALECT_NAME, VendorWebhook, _read, TYPES)
