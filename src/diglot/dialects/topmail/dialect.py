"""Topmail, assembled."""

import re
from typing import Final

from diglot.api.dialect import Dialect, Surface
from diglot.api.input.headers import bearer_or
from diglot.api.openapi.condition_schemas import condition_schemas
from diglot.api.openapi.explained_schemas import explained_schemas
from diglot.dialects.topmail import rate_limits
from diglot.dialects.topmail.endpoints import ENDPOINTS
from diglot.dialects.topmail.errors import render_error
from diglot.dialects.topmail.schemas import NAMED
from diglot.dialects.topmail.webhooks.messages import message
from diglot.dialects.topmail.wire import ErrorBody
from diglot.dialects.topmail.words import WORDS
from diglot.service.access.keys import KeyFormat

_KEY = re.compile(r"tm_(live|test)_[A-Za-z0-9_-]+")

# The permission grid of the vendor's authentication page.
SCOPES: Final = (
    *("contacts:read", "contacts:write", "contacts:delete"),
    *("lists:read", "lists:write", "lists:delete"),
    *("campaigns:read", "campaigns:write", "templates:read", "templates:write"),
    *("flows:read", "flows:write", "analytics:read", "forms:read", "forms:write"),
    *("conversions:read", "conversions:write"),
)

KEYS: Final = KeyFormat(
    dialect="topmail",
    default_prefix="tm_live_",
    prefixes=("tm_live_", "tm_test_"),
    matches=lambda secret: _KEY.fullmatch(secret) is not None,
    scopes=SCOPES,
    # What opens every call that is served.
    default_scopes=(*SCOPES[:6], *SCOPES[-2:]),
)


def _may(scopes: frozenset[str], needed: str) -> bool:
    return needed in scopes


TOPMAIL: Final = Dialect(
    name="topmail",
    title="Topmail",
    keys=KEYS,
    surfaces=(Surface("/api/v1", ENDPOINTS, render_error, ErrorBody),),
    # The bearer token wins over the older `X-API-Key`.
    secret=bearer_or(b"x-api-key"),
    may=_may,
    rate=rate_limits.rate,
    rate_headers=rate_limits.headers,
    rate_header_words=rate_limits.HEADERS,
    tags={
        "segments": "Segments, their contacts and how these change.",
        "contacts": "Contacts: one, or a window of them.",
        "lists": "Lists, static and dynamic, and who is on them.",
        "tags": "Tags and the contacts that bear them.",
        "conversions": "What contacts bought and looked at.",
        "webhooks": "Addresses that are told of events.",
    },
    schemes={
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key: `tm_live_...` or `tm_test_...`.",
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The same key in the older header.",
        },
    },
    security=(("bearer",), ("apiKey",)),
    schemas=condition_schemas("Conditions", "Rule", WORDS) | explained_schemas(WORDS) | NAMED,
    message=message,
    description="The audience API of TopMail, served by Diglot.",
    json_at="/api/v1/openapi.json",
    # Where the vendor's pages say that its document is, outside the prefix of its calls.
    yaml_at="/openapi.yaml",
)
