"""The endpoints of Misar's calls, grouped by surface."""

from typing import Final

from diglot.api.extensions.endpoints import build_endpoints
from diglot.dialects.misar.contacts import bulk_routes
from diglot.dialects.misar.contacts import routes as contacts_routes
from diglot.dialects.misar.extensions import EXTENSIONS
from diglot.dialects.misar.keys import routes as keys_routes
from diglot.dialects.misar.platform import routes as platform_routes
from diglot.dialects.misar.segments import routes as segments_routes
from diglot.dialects.misar.tracking import routes as tracking_routes
from diglot.dialects.misar.unversioned import segment_routes, webhook_routes
from diglot.dialects.misar.webhooks import routes as webhooks_routes

ENDPOINTS: Final = (
    *segments_routes.ENDPOINTS,
    *build_endpoints(EXTENSIONS),
    *contacts_routes.ENDPOINTS,
    *bulk_routes.ENDPOINTS,
    *keys_routes.ENDPOINTS,
    *tracking_routes.ENDPOINTS,
    *webhooks_routes.ENDPOINTS,
)
ROOT_ENDPOINTS: Final = (*segment_routes.ENDPOINTS, *webhook_routes.ENDPOINTS)
PLATFORM_ENDPOINTS: Final = platform_routes.ENDPOINTS
