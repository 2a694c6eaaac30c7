"""Webhooks on the routes without a version, where the vendor's TypeScript client looks for them: the same."""

from dataclasses import replace
from typing import Final

from diglot.api.endpoint import Endpoint
from diglot.dialects.misar.webhooks import routes

_TAG: Final = "root webhooks"


def _root(versioned: Endpoint) -> Endpoint:
    """Return a versioned call as one of these, with an id of its own."""
    verb, noun = versioned.operation.id.split("Webhook")
    operation = replace(versioned.operation, id=f"{verb}RootWebhook{noun}", tag=_TAG)
    return Endpoint(operation, versioned.handler)


ENDPOINTS: Final = tuple(map(_root, routes.ENDPOINTS))
