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
_COOKIE_NAMES: Final = tuple(name.encode() for name in SESSION_COOKIES)


def add_safety(scope: dict[str, Any], headers: Headers) -> Headers:
    """Return the headers of an answer with those that it lacks; an upstream's answer stays as it is."""
    names = {name.lower() for name, _ in headers}
    added = [] if b"server" in names else [_SERVER]
    if FORWARDED not in scope:
        if b"x-content-type-options" not in names:
            added.append(_NO_SNIFFING)
        if b"cache-control" not in names and _has_session(scope):
            added.append(_NO_STORE)
    return [*headers, *added]


def _has_session(scope: dict[str, Any]) -> bool:
    return any(
        key == b"cookie" and any(name in value for name in _COOKIE_NAMES) for key, value in scope["headers"]
    )
