"""The endpoints of Misar's calls."""

from typing import Final

from diglot.dialects.misar.routes import contacts, keys, segments, webhooks

ENDPOINTS: Final = (*segments.ENDPOINTS, *contacts.ENDPOINTS, *keys.ENDPOINTS, *webhooks.ENDPOINTS)
