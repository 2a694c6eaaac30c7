"""What webhook messages of every dialect share: the signatures and the payload."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec

from diglot.model.webhooks import Delivery, EventPayload

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of secrets, not a secret
_decode_payload_json = msgspec.json.Decoder(EventPayload).decode


def compute_signature(secret: str, *parts: bytes) -> str:
    """Return the HMAC-SHA256 (RFC 2104) of the joined parts in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def standard_headers(secret: str, id_: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers of the Standard Webhooks specification (version 1), signed at `now` (microseconds).

    The signature is over the id, the time and the body, so that a receiver detects a repeated message.
    """
    timestamp = str(now // 1_000_000)
    signed = f"{id_}.{timestamp}.".encode() + body
    digest = hmac.new(_decode_secret(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def _decode_secret(secret: str) -> bytes:
    """Return the key that the libraries of Standard Webhooks read from a secret.

    They decode it from Base64, after a prefix. A secret that is not Base64 is the key as it is.
    """
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    return key or secret.encode()


def decode_payload(delivery: Delivery) -> EventPayload:
    """Return the payload of a delivery."""
    return _decode_payload_json(delivery.payload)
