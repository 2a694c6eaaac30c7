"""What goes out to a webhook, and what of a webhook both dialects read alike."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from diglot.api.body_reader import MISSING, Missing, Reader
from diglot.model.webhooks import Delivery, Event, Subject
from diglot.service.webhooks import Webhooks

# The words of a dialect for events; those that cannot happen here have no event.
EventWords = Mapping[str, Event | None]
LONGEST_SECRET: Final = 256
_read_subject = msgspec.json.Decoder(Subject).decode


@dataclass(frozen=True, slots=True)
class Message:
    """A request to a receiver: headers beside the media type, and a body."""

    headers: dict[str, str]
    body: bytes


def signature(secret: str, *parts: bytes) -> str:
    """Return the HMAC-SHA256 of some bytes in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).hexdigest()


def subject_of(delivery: Delivery) -> Subject:
    """Return whom a delivery is about."""
    return _read_subject(delivery.subject)


def heard(words: EventWords, events: tuple[str, ...]) -> tuple[Event, ...]:
    """Return the events that can happen here, of those that a webhook names."""
    return tuple(event for word in events if (event := words[word]) is not None)


def url(reader: Reader, key: str, webhooks: Webhooks) -> str | Missing:
    """Read the URL of a receiver."""
    value = reader.text(key, 10_000)
    if isinstance(value, str) and (message := webhooks.url_fault(value)) is not None:
        reader.fault((key,), message)
        return MISSING
    return value


def secret(reader: Reader) -> str | Missing:
    """Read a secret to sign with, where the receiver has one already."""
    return reader.name("secret", LONGEST_SECRET)
