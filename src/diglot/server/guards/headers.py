"""Headers that every answer has, for the safety of browsers and to say little about the server."""

from typing import Any, Final

from diglot.api.authentication import SESSION_COOKIES

Headers = list[tuple[bytes, bytes]]
# The key in the scope of a request whose answer is the upstream's.
FORWARDED: Final = "diglot.forwarded"
# granian names itself unless a name is given; it cannot leave the header out.
_SERVER: Final = (b"server", b"diglot")
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_NO_STORE: Final = (b"cache-control", b"no-store")
# What `add_safety` adds to our own answer to a request without a cookie.
PLAIN_SAFETY: Final = (_SERVER, _NO_SNIFFING)
_COOKIE_NAMES: Final = tuple(name.encode() for name in SESSION_COOKIES)


def add_safety(scope: dict[str, Any], headers: Headers) -> Headers:
    """Return the headers of an answer with those that it lacks; an upstream's answer stays as it is.

    The names of our own headers are in lower case.
    """
    if FORWARDED in scope:
        return headers if any(name.lower() == b"server" for name, _ in headers) else [*headers, _SERVER]
    names = {name for name, _ in headers}
    headers.append(_SERVER)
    if b"x-content-type-options" not in names:
        headers.append(_NO_SNIFFING)
    if b"cache-control" not in names and _has_session(scope):
        headers.append(_NO_STORE)
    return headers


def _has_session(scope: dict[str, Any]) -> bool:
    for key, value in scope["headers"]:
        if key == b"cookie" and any(name in value for name in _COOKIE_NAMES):
            return True
    return False
