"""Readers for webhook bodies that both dialects share."""

from collections.abc import Mapping
from typing import Final

from diglot.model.webhooks import WebhookEventType

# A dialect's names for events; names of events that cannot happen in Diglot map to None.
EventNames = Mapping[str, WebhookEventType | None]
# The URL check reports a URL that is too long itself, so the reader stops at this length.
MAX_TARGET_URL_READ: Final = 10_000


def select_subscriptions(words: EventNames, events: tuple[str, ...]) -> tuple[WebhookEventType, ...]:
    """Return the events of a webhook that can happen in Diglot."""
    return tuple(event for word in events if (event := words[word]) is not None)
