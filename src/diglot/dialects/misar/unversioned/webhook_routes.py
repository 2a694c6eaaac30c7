"""The webhook calls again, on the routes without a version that the vendor's TypeScript client uses."""

from dataclasses import replace
from typing import Final

from diglot.api.endpoint import Endpoint
from diglot.dialects.misar.webhooks import routes

_TAG: Final = "root webhooks"


def _derive_endpoint(versioned: Endpoint) -> Endpoint:
    """Return a versioned call as an unversioned one, with its own id."""
    verb, noun = versioned.operation.id.split("Webhook")
    operation = replace(versioned.operation, id=f"{verb}RootWebhook{noun}", tag=_TAG)
    return Endpoint(operation, versioned.handler)


ENDPOINTS: Final = tuple(map(_derive_endpoint, routes.ENDPOINTS))
