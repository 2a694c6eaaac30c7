"""The endpoints of Misar's calls, those of each surface by themselves."""

from typing import Final

from diglot.dialects.misar.contacts import bulk_routes
from diglot.dialects.misar.contacts import routes as contacts_routes
from diglot.dialects.misar.keys import routes as keys_routes
from diglot.dialects.misar.platform import routes as platform_routes
from diglot.dialects.misar.segments import (
    changes_routes,
    dry_run_routes,
    explain_routes,
)
from diglot.dialects.misar.segments import (
    routes as segments_routes,
)
from diglot.dialects.misar.tracking import routes as tracking_routes
from diglot.dialects.misar.unversioned import segment_routes, webhook_routes
from diglot.dialects.misar.webhooks import routes as webhooks_routes

_RESOURCES: Final = (
    segments_routes,
    explain_routes,
    dry_run_routes,
    changes_routes,
    contacts_routes,
    bulk_routes,
    keys_routes,
    tracking_routes,
    webhooks_routes,
)
ENDPOINTS: Final = tuple(endpoint for each in _RESOURCES for endpoint in each.ENDPOINTS)
ROOT_ENDPOINTS: Final = (*segment_routes.ENDPOINTS, *webhook_routes.ENDPOINTS)
PLATFORM_ENDPOINTS: Final = platform_routes.ENDPOINTS
