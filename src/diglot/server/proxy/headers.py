"""The headers of a call that passes through, on their way there and back.

What belongs to one connection (RFC 9110, 7.6.1) ends here, and so does what tells of the operator's network
or of a Diglot session. The upstream sees a call from this server, with the client's own key.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

Headers = list[tuple[bytes, bytes]]

# The cookie of a session here, in its plain form and in the one that browsers tie to a host.
SESSION_COOKIES: Final = (b"diglot_session", b"__Host-diglot_session")
_REQUEST_ID: Final = b"x-request-id"
_HOP: Final = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
CHUNKED: Final[Headers] = [(b"transfer-encoding", b"chunked")]
# Written anew for the upstream, or answered by the server here.
_OURS: Final = frozenset((b"host", b"cookie", b"content-length", b"expect", _REQUEST_ID))
_OF_THE_WAY: Final = re.compile(rb"forwarded|x-forwarded-.*|x-real-ip")


def to_upstream(scope: dict[str, Any], host: bytes, pseudonym: bytes) -> Headers:
    """Return the headers for the upstream, all but those that frame the body."""
    given: Headers = scope["headers"]
    ended = _ended(given) | _OURS
    kept = [
        (name, value)
        for name, value in given
        if name.lower() not in ended and _OF_THE_WAY.fullmatch(name.lower()) is None
    ]
    cookie = _cookie(value for name, value in given if name.lower() == b"cookie")
    version = {"1": b"1.0"}.get(scope["http_version"]) or str(scope["http_version"]).encode()
    return [
        (b"host", host),
        *kept,
        *([(b"cookie", cookie)] if cookie else []),
        (_REQUEST_ID, scope["diglot.request_id"].encode()),
        (b"via", version + b" " + pseudonym),
    ]


def framing(scope: dict[str, Any]) -> Headers:
    """Return the headers that frame a request's body; none where nothing says that it has one."""
    given = {name.lower(): value for name, value in scope["headers"]}
    if b"transfer-encoding" in given:
        return CHUNKED
    if b"content-length" in given:
        return [(b"content-length", given[b"content-length"])]
    return []


def to_client(given: Headers) -> Headers:
    """Return the headers of the upstream's answer for the client."""
    ended = _ended(given) | {_REQUEST_ID}
    if any(name.lower() == b"transfer-encoding" for name, _ in given):
        ended |= {b"content-length"}
    return [
        (name.lower(), value)
        for name, value in given
        if name.lower() not in ended and not (name.lower() == b"set-cookie" and _is_session(value))
    ]


def came_by(scope: dict[str, Any], pseudonym: bytes) -> bool:
    """Tell whether a request went through here before."""
    return any(name.lower() == b"via" and pseudonym in value for name, value in scope["headers"])


def _ended(given: Headers) -> frozenset[bytes]:
    named = (value for name, value in given if name.lower() == b"connection")
    return _HOP | {name.strip().lower() for value in named for name in value.split(b",")}


def _cookie(values: Iterable[bytes]) -> bytes:
    """Return the cookies as one header, as HTTP/1.1 wants them, without a session of ours."""
    pairs = [pair.strip() for value in values for pair in value.split(b";")]
    return b"; ".join(pair for pair in pairs if pair and not _is_session(pair))


def _is_session(pair: bytes) -> bool:
    return pair.partition(b"=")[0].strip() in SESSION_COOKIES
