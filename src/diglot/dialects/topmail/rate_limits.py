"""Rate limits per API key, and their headers (the vendor's authentication page).

The page gives no number; Diglot allows 100 requests per minute, counted over all calls of a key.
"""

from functools import lru_cache
from typing import Final

from diglot.api.operation import Operation
from diglot.api.responses import Headers
from diglot.dialects.topmail.formatting import format_time
from diglot.service.access.rate_limits import Rate, RateLimitState

_ALL_CALLS: Final = ("all", Rate(100, sliding=True))
# A campaign of the vendor's tells of many emails at once.
_WEBHOOKS: Final = ("webhooks", Rate(6_000, sliding=True))
HEADER_DOCS: Final = {
    "X-RateLimit-Remaining": {
        "description": "The number of requests that remain.",
        "schema": {"type": "integer", "format": "int64"},
    },
    "X-RateLimit-Reset": {
        "description": "The end of the current minute.",
        "schema": {"type": "string", "format": "date-time"},
    },
}


def rate_for(operation: Operation) -> tuple[str, Rate]:
    """Return the group that counts a call, and the limit of that group."""
    return _WEBHOOKS if operation.is_signed else _ALL_CALLS


# The same for a whole minute.
@lru_cache
def _build_reset(instant: int) -> tuple[bytes, bytes]:
    return b"x-ratelimit-reset", format_time(instant).encode()


def build_headers(allowance: RateLimitState) -> Headers:
    """Return the vendor's headers: the reset as a timestamp."""
    shown = (b"x-ratelimit-remaining", b"%d" % allowance.remaining), _build_reset(allowance.reset_at)
    return (*shown, (b"retry-after", b"%d" % allowance.retry_after)) if allowance.is_exceeded else shown
