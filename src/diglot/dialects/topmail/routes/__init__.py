"""The endpoints of Topmail's calls."""

from typing import Final

from diglot.dialects.topmail.routes import (
    changes,
    contacts,
    conversions,
    dry_run,
    explain,
    lists,
    segments,
    tags,
    webhooks,
)

ENDPOINTS: Final = (
    *segments.ENDPOINTS,
    *explain.ENDPOINTS,
    *dry_run.ENDPOINTS,
    *changes.ENDPOINTS,
    *contacts.ENDPOINTS,
    *lists.ENDPOINTS,
    *tags.ENDPOINTS,
    *conversions.ENDPOINTS,
    *webhooks.ENDPOINTS,
)
