"""How often a key may ask, and the headers that say so (the vendor's rate limits page)."""

from typing import Final

from diglot.api.operation import Operation
from diglot.api.responses import Headers
from diglot.service.access.rate_limits import Rate, RateLimitState

# Requests a minute, by what they are counted with; any other call is counted by itself.
_CONTACTS: Final = ("GET /contacts", Rate(100))
_RATES: Final = {
    "listContacts": _CONTACTS,
    "getContact": _CONTACTS,
    "importContacts": ("POST /contacts/import", Rate(10)),
    # The contacts platform has a figure of its own for writes and none for reads, which get the same.
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
_OTHERS: Final = Rate(60)
_NUMBER: Final = {"type": "integer", "format": "int64"}
HEADERS: Final = {
    "X-RateLimit-Limit": {
        "description": "How many requests the key may make in a minute.",
        "schema": _NUMBER,
    },
    "X-RateLimit-Remaining": {"description": "How many of them are left.", "schema": _NUMBER},
    "X-RateLimit-Reset": {
        "description": "When the minute ends, in seconds since 1970.",
        "schema": _NUMBER,
    },
}


def rate(operation: Operation) -> tuple[str, Rate]:
    """Return what a call is counted with, and how often that may be asked."""
    return _RATES.get(operation.id) or (operation.id, _OTHERS)


def headers(allowance: RateLimitState) -> Headers:
    """Return the vendor's headers: the reset in seconds since 1970."""
    shown: Headers = (
        (b"x-ratelimit-limit", b"%d" % allowance.rate.requests),
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", b"%d" % -(-allowance.reset_at // 1_000_000)),
    )
    return (*shown, (b"retry-after", b"%d" % allowance.retry_after)) if allowance.is_exceeded else shown
