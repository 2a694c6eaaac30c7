"""Rate limits per API key, and their headers (the vendor's authentication page).

The page gives no number; Diglot allows 100 requests per minute, counted over all calls of a key.
"""

from typing import Final

from diglot.api.formatting import format_milliseconds
from diglot.api.operation import Operation
from diglot.api.responses import Headers
from diglot.service.access.rate_limits import Rate, RateLimitState

_ALL_CALLS: Final = ("all", Rate(100, sliding=True))
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
    del operation
    return _ALL_CALLS


def build_headers(allowance: RateLimitState) -> Headers:
    """Return the vendor's headers: the reset as a timestamp."""
    reset = format_milliseconds(allowance.reset_at)
    assert reset is not None
    shown: Headers = (
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", reset.encode()),
    )
    return (*shown, (b"retry-after", b"%d" % allowance.retry_after)) if allowance.is_exceeded else shown
