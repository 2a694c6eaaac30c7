"""The endpoints of Topmail's calls."""

from typing import Final

from diglot.dialects.topmail.routes import contacts, conversions, explain, lists, segments, tags, webhooks

ENDPOINTS: Final = (
    *segments.ENDPOINTS,
    *explain.ENDPOINTS,
    *contacts.ENDPOINTS,
    *lists.ENDPOINTS,
    *tags.ENDPOINTS,
    *conversions.ENDPOINTS,
    *webhooks.ENDPOINTS,
)
