"""How often a key may ask, and the headers that say so (the vendor's authentication page).

The page gives no number: 100 a minute, counted over all calls of a key.
"""

from typing import Final

from diglot.api.formatting import in_milliseconds
from diglot.api.operation import Operation
from diglot.api.responses import Headers
from diglot.service.access.rate_limits import Rate, RateLimitState

_ALL: Final = ("all", Rate(100, sliding=True))
HEADERS: Final = {
    "X-RateLimit-Remaining": {
        "description": "How many requests the key may still make now.",
        "schema": {"type": "integer", "format": "int64"},
    },
    "X-RateLimit-Reset": {
        "description": "When the minute ends.",
        "schema": {"type": "string", "format": "date-time"},
    },
}


def rate(operation: Operation) -> tuple[str, Rate]:
    """Return what a call is counted with, and how often that may be asked."""
    del operation
    return _ALL


def headers(allowance: RateLimitState) -> Headers:
    """Return the vendor's headers: the reset as a timestamp."""
    reset = in_milliseconds(allowance.reset_at)
    assert reset is not None
    shown: Headers = (
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", reset.encode()),
    )
    return (*shown, (b"retry-after", b"%d" % allowance.retry_after)) if allowance.is_exceeded else shown
