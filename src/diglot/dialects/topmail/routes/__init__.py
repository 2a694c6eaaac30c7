"""The endpoints of Topmail's calls."""

from typing import Final

from diglot.dialects.topmail.routes import contacts, conversions, lists, segments, tags, webhooks

ENDPOINTS: Final = (
    *segments.ENDPOINTS,
    *contacts.ENDPOINTS,
    *lists.ENDPOINTS,
    *tags.ENDPOINTS,
    *conversions.ENDPOINTS,
    *webhooks.ENDPOINTS,
)
