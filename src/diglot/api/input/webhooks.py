"""What goes out to a webhook, and what of a webhook both dialects read alike."""

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET, UnsetType

from diglot.api.input.body_reader import BodyReader
from diglot.model.webhooks import WebhookEventType
from diglot.service.webhooks import Webhooks

# The words of a dialect for events; those that cannot happen here have no event.
EventNames = Mapping[str, WebhookEventType | None]
MAX_SECRET_LENGTH: Final = 256


def select_subscriptions(words: EventNames, events: tuple[str, ...]) -> tuple[WebhookEventType, ...]:
    """Return the events that can happen here, of those that a webhook names."""
    return tuple(event for word in events if (event := words[word]) is not None)


def read_target_url(reader: BodyReader, key: str, webhooks: Webhooks) -> str | UnsetType:
    """Read the URL of a receiver."""
    value = reader.read_text(key, 10_000)
    if isinstance(value, str) and (message := webhooks.find_url_fault(value)) is not None:
        reader.add_fault((key,), message)
        return UNSET
    return value


def read_secret(reader: BodyReader) -> str | UnsetType:
    """Read a secret to sign with, where the receiver has one already."""
    return reader.read_name("secret", MAX_SECRET_LENGTH)
