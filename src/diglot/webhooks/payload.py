"""What webhook messages of every dialect share: the signature and the payload."""

import hashlib
import hmac

import msgspec

from diglot.model.webhooks import Delivery, EventPayload

_decode_payload_json = msgspec.json.Decoder(EventPayload).decode


def compute_signature(secret: str, *parts: bytes) -> str:
    """Return the HMAC-SHA256 (RFC 2104) of the joined parts in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def decode_payload(delivery: Delivery) -> EventPayload:
    """Return the payload of a delivery."""
    return _decode_payload_json(delivery.payload)
