"""The Misar dialect, assembled from its parts."""

from typing import Final

from diglot.api.authentication import CSRF_HEADER, SESSION_COOKIE
from diglot.api.dialect import Dialect, Surface
from diglot.api.extensions import events, export, imports, received_webhooks
from diglot.api.extensions.analysis import sizes
from diglot.api.input.request import read_bearer_token
from diglot.api.openapi.condition_schemas import build_condition_schemas, build_group_schemas
from diglot.api.openapi.explained_schemas import build_explained_schemas
from diglot.dialects.misar import rate_limits
from diglot.dialects.misar.demo import DEMO
from diglot.dialects.misar.endpoints import ENDPOINTS, PLATFORM_ENDPOINTS, ROOT_ENDPOINTS
from diglot.dialects.misar.errors import render_error
from diglot.dialects.misar.key_format import KEY_FORMAT, SCOPE_WORDS
from diglot.dialects.misar.platform import errors
from diglot.dialects.misar.platform.wire import PlatformError
from diglot.dialects.misar.schemas import NAMED_SCHEMAS
from diglot.dialects.misar.webhooks.messages import EVENTS, SECRET_PREFIX, render_message
from diglot.dialects.misar.webhooks.received import is_signed
from diglot.dialects.misar.wire import ErrorBody
from diglot.dialects.misar.words import PLATFORM_WORDS, WORDS

# Wider scopes that permit a call like its own scope; the vendor's pages name three for tracking.
_TRACKING_SCOPES: Final = frozenset({"track", "send", "write"})
_WIDER_SCOPES: Final = {
    "read": frozenset({"contacts"}),
    "write": frozenset({"contacts"}),
    "track:events": _TRACKING_SCOPES,
    "track:purchase": _TRACKING_SCOPES,
}


def _scopes_allow(scopes: frozenset[str], needed: str) -> bool:
    """Return the wider scopes: `contacts` permits every audience call, `read` and `write` only their kind."""
    return needed in scopes or not scopes.isdisjoint(_WIDER_SCOPES.get(needed, ()))


MISAR: Final = Dialect(
    name="misar",
    title="Misar",
    package=__package__,
    words=WORDS,
    key_format=KEY_FORMAT,
    surfaces=(
        Surface("/mail/v1", ENDPOINTS, render_error, ErrorBody),
        Surface("/mail", ROOT_ENDPOINTS, render_error, ErrorBody),
        Surface("/io/contacts", PLATFORM_ENDPOINTS, errors.render_error, PlatformError),
    ),
    read_secret=read_bearer_token,
    scopes_allow=_scopes_allow,
    rate_for=rate_limits.rate_for,
    build_rate_headers=rate_limits.build_headers,
    rate_header_docs=rate_limits.HEADER_DOCS,
    tag_descriptions={
        "segments": "Segments, their members and membership changes.",
        "contacts": "Contacts: single calls, pages and bulk calls.",
        "keys": "The API keys of the workspace.",
        "tracking": "Events and purchases of contacts.",
        "webhooks": "Addresses that receive events.",
        "root segments": "Segments on the unversioned routes that the vendor's TypeScript client calls.",
        "root webhooks": "Webhooks on the routes without a version.",
        "platform segments": "Segments in the format of the vendor's contacts platform.",
    },
    allows_sessions=True,
    security_schemes={
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `msk_` and 64 digits."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": SESSION_COOKIE,
            "description": "A browser session, created by `POST /session`.",
        },
        "proof": {
            "type": "apiKey",
            "in": "header",
            "name": CSRF_HEADER,
            "description": "The `csrf_token` of the session; read-only calls do not need it.",
        },
    },
    security_options=(("bearer",), ("session", "proof")),
    named_schemas=build_condition_schemas("FilterCriteria", "Rule", WORDS)
    | build_group_schemas("PlatformFilterCriteria", "PlatformRule", "PlatformRuleOperator", PLATFORM_WORDS)
    | build_explained_schemas(WORDS)
    | events.SCHEMAS
    | export.SCHEMAS
    | imports.SCHEMAS
    | received_webhooks.SCHEMAS
    | sizes.SCHEMAS
    | NAMED_SCHEMAS,
    render_message=render_message,
    is_signed=is_signed,
    description="The audience API of MisarMail, served by Diglot.",
    json_path="/mail/openapi.json",
    yaml_path="/mail/openapi.yaml",
    demo=DEMO,
    events=EVENTS,
    scope_words=SCOPE_WORDS,
    secret_prefix=SECRET_PREFIX,
    vendor_url="https://api.misar.io",
)
