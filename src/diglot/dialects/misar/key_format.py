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

KEY_FORMAT: Final = KeyFormat(
    dialect="misar",
    default_prefix="msk_",
    prefixes=("msk_",),
    matches=lambda secret: _KEY_PATTERN.fullmatch(secret) is not None,
    scopes=SCOPES,
    default_scopes=("contacts", "track"),
)
