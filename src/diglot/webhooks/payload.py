"""What the message of a webhook is made of in every dialect: its signature and its payload."""

import hashlib
import hmac

import msgspec

from diglot.model.webhooks import Delivery, EventPayload

_decode_payload_json = msgspec.json.Decoder(EventPayload).decode


def compute_signature(secret: str, *parts: bytes) -> str:
    """Return the HMAC-SHA256 of some bytes in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def decode_payload(delivery: Delivery) -> EventPayload:
    """Return whom a delivery is about."""
    return _decode_payload_json(delivery.payload)
