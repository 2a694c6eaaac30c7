"""Misar's own webhooks, as Diglot receives them: the scheme of the vendor's newest clients, and the types."""

import hmac
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import schema_ref
from diglot.api.extensions.received_webhooks import ReceivedFormat, ReceivedType, VendorMessage
from diglot.api.input.request import HasScope, find_header
from diglot.dialects.misar.wire import Time
from diglot.dialects.misar.words import DIALECT_NAME
from diglot.model.events import ACTIVITIES
from diglot.webhooks.payload import compute_signature

# The vendor's clients allow the clocks to differ by this much, in seconds.
TOLERANCE: Final = 300
_TIMESTAMP: Final = re.compile("[0-9]{1,12}")
TYPES: Final = {name: ReceivedType(name, kind) for name, kind in ACTIVITIES.items()} | {
    "email.bounced": ReceivedType("email.bounced", lowers="bounced"),
    "email.complained": ReceivedType("email.complained", lowers="complained"),
    "email.unsubscribed": ReceivedType("email.unsubscribed", lowers="unsubscribed"),
}


class VendorWebhook(msgspec.Struct, frozen=True):
    """A webhook of the vendor; types that are not about an email of a contact are ignored."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    type: Annotated[str, Meta(min_length=1, max_length=100)]
    data: Annotated[dict[str, Any], schema_ref("EventData")]
    created_at: Time | UnsetType | None = UNSET


def is_signed(request: HasScope, body: bytes, secret: str, now: int) -> bool:
    """Tell whether a request has the signature of a secret over its time and its body, and is recent.

    `now` is in microseconds.
    """
    sent, timestamp = (find_header(request, name) for name in (b"x-misar-signature", b"x-misar-timestamp"))
    if sent is None or timestamp is None or _TIMESTAMP.fullmatch(timestamp) is None:
        return False
    expected = compute_signature(secret, timestamp.encode(), b".", body)
    matches = hmac.compare_digest(expected.encode(), sent.encode("latin-1"))
    return matches and abs(now // 1_000_000 - int(timestamp)) <= TOLERANCE


def _read(webhook: VendorWebhook, body: bytes) -> VendorMessage:
    del body
    created_at = webhook.created_at if isinstance(webhook.created_at, str) else None
    return VendorMessage(webhook.type, webhook.id, created_at, webhook.data)


RECEIVED: Final = ReceivedFormat(DIALECT_NAME, VendorWebhook, _read, TYPES)
