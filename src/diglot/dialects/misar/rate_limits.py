"""Rate limits per API key, and their headers (the vendor's rate limits page)."""

from functools import lru_cache
from typing import Final

from diglot.api.operation import Operation
from diglot.api.responses import Headers
from diglot.service.access.rate_limits import Rate, RateLimitState

# Requests per minute for each group of calls; every other call has a count of its own.
_CONTACT_READS: Final = ("GET /contacts", Rate(100))
_RATES: Final = {
    "listContacts": _CONTACT_READS,
    "getContact": _CONTACT_READS,
    # A campaign of the vendor's tells of many emails at once.
    "receiveWebhook": ("receiveWebhook", Rate(6_000)),
    "importContacts": ("POST /contacts/import", Rate(10)),
    # The vendor gives the contacts platform a limit for writes only; reads get the same limit.
    **{
        id_: (id_, Rate(200))
        for id_ in (
            "getPlatformSegment",
            "previewPlatformSegment",
            "listPlatformSegmentMembers",
            "changePlatformSegmentMembers",
        )
    },
}
_DEFAULT_RATE: Final = Rate(60)
_NUMBER: Final = {"type": "integer", "format": "int64"}
HEADER_DOCS: Final = {
    "X-RateLimit-Limit": {
        "description": "The number of requests per minute that the key has.",
        "schema": _NUMBER,
    },
    "X-RateLimit-Remaining": {"description": "The number of requests that remain.", "schema": _NUMBER},
    "X-RateLimit-Reset": {
        "description": "The end of the current minute, in seconds since 1970.",
        "schema": _NUMBER,
    },
}


def rate_for(operation: Operation) -> tuple[str, Rate]:
    """Return the group that counts a call, and the limit of that group."""
    return _RATES.get(operation.id) or (operation.id, _DEFAULT_RATE)


@lru_cache
def _build_limit(requests: int) -> tuple[bytes, bytes]:
    return b"x-ratelimit-limit", b"%d" % requests


# The same for a whole minute.
@lru_cache
def _build_reset(instant: int) -> tuple[bytes, bytes]:
    return b"x-ratelimit-reset", b"%d" % -(-instant // 1_000_000)


def build_headers(allowance: RateLimitState) -> Headers:
    """Return the vendor's headers: the reset in seconds since 1970."""
    remaining = b"x-ratelimit-remaining", b"%d" % allowance.remaining
    shown = (_build_limit(allowance.rate.requests), remaining, _build_reset(allowance.reset_at))
    return (*shown, (b"retry-after", b"%d" % allowance.retry_after)) if allowance.is_exceeded else shown
