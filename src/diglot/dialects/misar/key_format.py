"""The format of Misar's API keys, and the scopes of the vendor's authentication page."""

import re
from typing import Final

from diglot.service.access.keys import KeyFormat

_KEY_PATTERN = re.compile(r"msk_[0-9a-f]{64}")

SCOPES: Final = (
    *("contacts", "read", "write", "send", "send:transactional", "send:marketing", "campaigns"),
    *("templates", "automations", "analytics", "validate", "sandbox", "ips", "ips:read", "ips:write"),
    *("inbound", "inbound:read", "inbound:write", "track", "track:events", "track:purchase"),
    *("monetization", "subscription"),
)

# What the scopes permit that open calls of Diglot; the others are for the vendor's own calls.
SCOPE_WORDS: Final = {
    "contacts": "read and change everything: contacts, segments, webhooks and keys",
    "read": "read everything, and change nothing",
    "write": "change contacts, segments, webhooks and keys, and record events",
    "track": "record events and purchases",
    "track:events": "record events",
    "track:purchase": "record purchases",
    "send": "record events and purchases, and the vendor's calls that send",
}

KEY_FORMAT: Final = KeyFormat(
    dialect="misar",
    default_prefix="msk_",
    prefixes=("msk_",),
    matches=lambda secret: _KEY_PATTERN.fullmatch(secret) is not None,
    scopes=SCOPES,
    default_scopes=("contacts", "track"),
)
