"""Misar, assembled."""

from typing import Final

from diglot.api.authentication import COOKIE, PROOF
from diglot.api.dialect import Dialect, Surface
from diglot.api.input.headers import bearer
from diglot.api.openapi.condition_schemas import condition_schemas, group_schemas
from diglot.api.openapi.explained_schemas import explained_schemas
from diglot.dialects.misar import rate_limits
from diglot.dialects.misar.endpoints import ENDPOINTS, PLATFORM_ENDPOINTS, ROOT_ENDPOINTS
from diglot.dialects.misar.errors import render_error
from diglot.dialects.misar.key_format import KEYS
from diglot.dialects.misar.platform import errors
from diglot.dialects.misar.platform.wire import PlatformError
from diglot.dialects.misar.schemas import NAMED
from diglot.dialects.misar.webhooks.messages import message
from diglot.dialects.misar.wire import ErrorBody
from diglot.dialects.misar.words import PLATFORM_WORDS, WORDS

# Wider scopes that open a call as well as its own: the vendor's pages name three for tracking.
_TRACKING: Final = frozenset({"track", "send", "write"})
_WIDER: Final = {
    "read": frozenset({"contacts"}),
    "write": frozenset({"contacts"}),
    "track:events": _TRACKING,
    "track:purchase": _TRACKING,
}


def _may(scopes: frozenset[str], needed: str) -> bool:
    """`contacts` opens every call on the audience; `read` and `write` open what they say."""
    return needed in scopes or not scopes.isdisjoint(_WIDER.get(needed, ()))


MISAR: Final = Dialect(
    name="misar",
    title="Misar",
    keys=KEYS,
    surfaces=(
        Surface("/mail/v1", ENDPOINTS, render_error, ErrorBody),
        Surface("/mail", ROOT_ENDPOINTS, render_error, ErrorBody),
        Surface("/io/contacts", PLATFORM_ENDPOINTS, errors.render_error, PlatformError),
    ),
    secret=bearer,
    may=_may,
    rate=rate_limits.rate,
    rate_headers=rate_limits.headers,
    rate_header_words=rate_limits.HEADERS,
    tags={
        "segments": "Segments, their members and how these change.",
        "contacts": "Contacts: one, a page of them, many at once.",
        "keys": "The keys of the workspace.",
        "tracking": "What contacts did and bought.",
        "webhooks": "Addresses that are told of events.",
        "root segments": "Segments on the routes of the vendor's TypeScript client, which have no version.",
        "root webhooks": "Webhooks on the routes without a version.",
        "platform segments": "Segments in the words of the vendor's contacts platform.",
    },
    sessions=True,
    schemes={
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key: `msk_` and 64 digits."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "A session of `POST /session`.",
        },
        "proof": {
            "type": "apiKey",
            "in": "header",
            "name": PROOF,
            "description": "The `csrf_token` of the session; calls that change nothing do without.",
        },
    },
    security=(("bearer",), ("session", "proof")),
    schemas=condition_schemas("FilterCriteria", "Rule", WORDS)
    | group_schemas("PlatformFilterCriteria", "PlatformRule", "PlatformRuleOperator", PLATFORM_WORDS)
    | explained_schemas(WORDS)
    | NAMED,
    message=message,
    description="The audience API of MisarMail, served by Diglot.",
    json_at="/mail/openapi.json",
    yaml_at="/mail/openapi.yaml",
)
