"""What goes out to a webhook, and what of a webhook both dialects read alike."""

from collections.abc import Mapping
from typing import Final

from diglot.model.webhooks import WebhookEventType

# The words of a dialect for events; those that cannot happen here have no event.
EventNames = Mapping[str, WebhookEventType | None]
# The check of a receiver's URL says itself that it is too long, and reads no more than this.
MAX_TARGET_URL_READ: Final = 10_000


def select_subscriptions(words: EventNames, events: tuple[str, ...]) -> tuple[WebhookEventType, ...]:
    """Return the events that can happen here, of those that a webhook names."""
    return tuple(event for word in events if (event := words[word]) is not None)
