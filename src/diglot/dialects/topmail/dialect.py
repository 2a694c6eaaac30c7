"""The Topmail dialect, assembled from its parts."""

import re
from typing import Final

from diglot.api.dialect import Dialect, Surface
from diglot.api.extensions import events, export, imports, received_webhooks
from diglot.api.extensions.analysis import sizes
from diglot.api.input.request import bearer_or
from diglot.api.openapi.condition_schemas import build_condition_schemas
from diglot.api.openapi.explained_schemas import build_explained_schemas
from diglot.dialects.topmail import rate_limits
from diglot.dialects.topmail.demo import DEMO
from diglot.dialects.topmail.endpoints import ENDPOINTS
from diglot.dialects.topmail.errors import render_error
from diglot.dialects.topmail.schemas import NAMED_SCHEMAS
from diglot.dialects.topmail.webhooks.messages import EVENTS, render_message
from diglot.dialects.topmail.webhooks.received import is_signed
from diglot.dialects.topmail.wire import ErrorBody
from diglot.dialects.topmail.words import WORDS
from diglot.service.access.keys import KeyFormat

_KEY_PATTERN = re.compile(r"tm_(live|test)_[A-Za-z0-9_-]+")

# The permission grid of the vendor's authentication page.
SCOPES: Final = (
    *("contacts:read", "contacts:write", "contacts:delete"),
    *("lists:read", "lists:write", "lists:delete"),
    *("campaigns:read", "campaigns:write", "templates:read", "templates:write"),
    *("flows:read", "flows:write", "analytics:read", "forms:read", "forms:write"),
    *("conversions:read", "conversions:write"),
)

# What the scopes permit that open calls of Diglot; the others are for the vendor's own calls.
SCOPE_WORDS: Final = {
    "contacts:read": "read contacts, segments, tags and events",
    "contacts:write": "create and change contacts, segments, tags and webhooks",
    "contacts:delete": "delete contacts and segments",
    "lists:read": "read lists and who is in them",
    "lists:write": "create and change lists, and who is in them",
    "lists:delete": "delete lists",
    "conversions:read": "read conversions",
    "conversions:write": "record conversions and events",
}

KEY_FORMAT: Final = KeyFormat(
    dialect="topmail",
    default_prefix="tm_live_",
    prefixes=("tm_live_", "tm_test_"),
    matches=lambda secret: _KEY_PATTERN.fullmatch(secret) is not None,
    scopes=SCOPES,
    # The scopes that permit every call that Diglot serves.
    default_scopes=(*SCOPES[:6], *SCOPES[-2:]),
)


def _scopes_allow(scopes: frozenset[str], needed: str) -> bool:
    return needed in scopes


TOPMAIL: Final = Dialect(
    name="topmail",
    title="Topmail",
    package=__package__,
    words=WORDS,
    key_format=KEY_FORMAT,
    surfaces=(Surface("/api/v1", ENDPOINTS, render_error, ErrorBody),),
    # The bearer token takes precedence over the older `X-API-Key`.
    read_secret=bearer_or(b"x-api-key"),
    scopes_allow=_scopes_allow,
    rate_for=rate_limits.rate_for,
    build_rate_headers=rate_limits.build_headers,
    rate_header_docs=rate_limits.HEADER_DOCS,
    tag_descriptions={
        "segments": "Segments, their contacts and the history of membership changes.",
        "contacts": "Contacts: single calls and windows.",
        "lists": "Lists, static and dynamic, and their contacts.",
        "tags": "Tags, and the contacts that have them.",
        "conversions": "Conversions and product views of contacts.",
        "webhooks": "Addresses that receive events.",
    },
    security_schemes={
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `tm_live_...` or `tm_test_...`.",
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The same API key in the older header.",
        },
    },
    security_options=(("bearer",), ("apiKey",)),
    named_schemas=build_condition_schemas("Conditions", "Rule", WORDS)
    | build_explained_schemas(WORDS)
    | events.SCHEMAS
    | export.SCHEMAS
    | imports.SCHEMAS
    | received_webhooks.SCHEMAS
    | sizes.SCHEMAS
    | NAMED_SCHEMAS,
    render_message=render_message,
    is_signed=is_signed,
    description="The audience API of TopMail, served by Diglot.",
    json_path="/api/v1/openapi.json",
    # The address of the document on the vendor's pages, outside the prefix of its calls.
    yaml_path="/openapi.yaml",
    demo=DEMO,
    events=EVENTS,
    scope_words=SCOPE_WORDS,
    max_events=1,
    vendor_url="https://api.topmail.so",
)
