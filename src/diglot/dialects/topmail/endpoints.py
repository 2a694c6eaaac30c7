"""The endpoints of Topmail's calls."""

from typing import Final

from diglot.api.extensions.endpoints import build_endpoints
from diglot.dialects.topmail.contacts import routes as contacts_routes
from diglot.dialects.topmail.conversions import routes as conversions_routes
from diglot.dialects.topmail.extensions import EXTENSIONS
from diglot.dialects.topmail.lists import routes as lists_routes
from diglot.dialects.topmail.segments import routes as segments_routes
from diglot.dialects.topmail.tags import routes as tags_routes
from diglot.dialects.topmail.webhooks import routes as webhooks_routes

ENDPOINTS: Final = (
    *segments_routes.ENDPOINTS,
    *build_endpoints(EXTENSIONS),
    *contacts_routes.ENDPOINTS,
    *lists_routes.ENDPOINTS,
    *tags_routes.ENDPOINTS,
    *conversions_routes.ENDPOINTS,
    *webhooks_routes.ENDPOINTS,
)
