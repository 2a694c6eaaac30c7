"""The endpoints of Misar's calls, those of each surface by themselves."""

from typing import Final

from diglot.dialects.misar.routes import (
    changes,
    contact_bulk,
    contacts,
    dry_run,
    explain,
    keys,
    platform_segments,
    root_segments,
    root_webhooks,
    segments,
    track,
    webhooks,
)

_RESOURCES: Final = (segments, explain, dry_run, changes, contacts, contact_bulk, keys, track, webhooks)
ENDPOINTS: Final = tuple(endpoint for each in _RESOURCES for endpoint in each.ENDPOINTS)
ROOT_ENDPOINTS: Final = (*root_segments.ENDPOINTS, *root_webhooks.ENDPOINTS)
PLATFORM_ENDPOINTS: Final = platform_segments.ENDPOINTS
