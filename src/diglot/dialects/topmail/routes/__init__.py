"""The endpoints of Topmail's calls."""

from typing import Final

from diglot.dialects.topmail.routes import contacts, lists, segments, webhooks

ENDPOINTS: Final = (*segments.ENDPOINTS, *contacts.ENDPOINTS, *lists.ENDPOINTS, *webhooks.ENDPOINTS)
