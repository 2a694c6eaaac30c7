"""Signs webhooks as the vendors do."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

SECOND: Final = 1_000_000


def compute_hex(secret: str, signed: bytes) -> str:
    """Return the HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def sign_misar(body: bytes, secret: str, now: int) -> dict[str, str]:
    """Return the headers of Misar's webhooks."""
    timestamp = str(now // SECOND)
    signature = compute_hex(secret, timestamp.encode() + b"." + body)
    return {"X-Misar-Signature": signature, "X-Misar-Timestamp": timestamp}


def sign_topmail(body: bytes, secret: str, now: int) -> dict[str, str]:
    """Return the headers of Topmail's webhooks, whose time is in the body."""
    del now
    return {"X-TopMail-Signature": compute_hex(secret, body)}


SIGNERS: Final[Mapping[str, Callable[[bytes, str, int], dict[str, str]]]] = {
    "misar": sign_misar,
    "topmail": sign_topmail,
}
