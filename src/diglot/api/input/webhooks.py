"""What goes out to a webhook, and what of a webhook both dialects read alike."""

from collections.abc import Mapping
from typing import Final

from diglot.api.input.body_reader import MISSING, Missing, Reader
from diglot.model.webhooks import WebhookEventType
from diglot.service.webhooks import Webhooks

# The words of a dialect for events; those that cannot happen here have no event.
EventWords = Mapping[str, WebhookEventType | None]
LONGEST_SECRET: Final = 256


def heard(words: EventWords, events: tuple[str, ...]) -> tuple[WebhookEventType, ...]:
    """Return the events that can happen here, of those that a webhook names."""
    return tuple(event for word in events if (event := words[word]) is not None)


def url(reader: Reader, key: str, webhooks: Webhooks) -> str | Missing:
    """Read the URL of a receiver."""
    value = reader.text(key, 10_000)
    if isinstance(value, str) and (message := webhooks.find_url_fault(value)) is not None:
        reader.fault((key,), message)
        return MISSING
    return value


def secret(reader: Reader) -> str | Missing:
    """Read a secret to sign with, where the receiver has one already."""
    return reader.name("secret", LONGEST_SECRET)
