"""The endpoints of Misar's calls."""

from typing import Final

from diglot.dialects.misar.routes import contact_bulk, contacts, keys, segments, track, webhooks

_RESOURCES: Final = (segments, contacts, contact_bulk, keys, track, webhooks)
ENDPOINTS: Final = tuple(endpoint for each in _RESOURCES for endpoint in each.ENDPOINTS)
