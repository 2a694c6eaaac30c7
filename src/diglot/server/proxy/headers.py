"""The headers of forwarded requests and responses.

Hop-by-hop headers (RFC 9110, section 7.6.1) are removed, and so are headers that reveal the operator's
network or a Diglot session. To the upstream a request comes from this server, with the client's own API key.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from diglot.api.authentication import SESSION_COOKIES
from diglot.service.access.devices import COOKIE_PREFIX

Headers = list[tuple[bytes, bytes]]

_SESSION_COOKIES: Final = tuple(name.encode() for name in SESSION_COOKIES)
_DEVICE_COOKIES: Final = COOKIE_PREFIX.encode()
_REQUEST_ID: Final = b"x-request-id"
_HOP_BY_HOP: Final = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
CHUNKED: Final[Headers] = [(b"transfer-encoding", b"chunked")]
# Replaced for the upstream, or handled by this server.
_REPLACED: Final = frozenset((b"host", b"cookie", b"content-length", b"expect", _REQUEST_ID))
_FORWARDING_PATTERN: Final = re.compile(rb"forwarded|x-forwarded-.*|x-real-ip")


def to_upstream(scope: dict[str, Any], host: bytes, pseudonym: bytes) -> Headers:
    """Return the request headers for the upstream, except those that frame the body."""
    received: Headers = scope["headers"]
    removed = _hop_by_hop_names(received) | _REPLACED
    forwarded = [
        (name, value)
        for name, value in received
        if name.lower() not in removed and _FORWARDING_PATTERN.fullmatch(name.lower()) is None
    ]
    cookie = _join_cookies(value for name, value in received if name.lower() == b"cookie")
    version = {"1": b"1.0"}.get(scope["http_version"]) or str(scope["http_version"]).encode()
    return [
        (b"host", host),
        *forwarded,
        *([(b"cookie", cookie)] if cookie else []),
        (_REQUEST_ID, scope["diglot.request_id"].encode()),
        (b"via", version + b" " + pseudonym),
    ]


def select_framing(scope: dict[str, Any]) -> Headers:
    """Return the headers that frame a request's body; none if the request has no such header."""
    received = {name.lower(): value for name, value in scope["headers"]}
    if b"transfer-encoding" in received:
        return CHUNKED
    if b"content-length" in received:
        return [(b"content-length", received[b"content-length"])]
    return []


def to_client(received: Headers) -> Headers:
    """Return the response headers for the client."""
    removed = _hop_by_hop_names(received) | {_REQUEST_ID}
    if any(name.lower() == b"transfer-encoding" for name, _ in received):
        removed |= {b"content-length"}
    return [
        (name.lower(), value)
        for name, value in received
        if name.lower() not in removed and not (name.lower() == b"set-cookie" and not _may_pass(value))
    ]


def already_passed(scope: dict[str, Any], pseudonym: bytes) -> bool:
    """Tell whether a request was forwarded by this process before."""
    return any(name.lower() == b"via" and pseudonym in value for name, value in scope["headers"])


def _hop_by_hop_names(received: Headers) -> frozenset[bytes]:
    connection_options = (value for name, value in received if name.lower() == b"connection")
    return _HOP_BY_HOP | {name.strip().lower() for value in connection_options for name in value.split(b",")}


def _join_cookies(values: Iterable[bytes]) -> bytes:
    """Return the cookies as one header, as HTTP/1.1 requires, without session cookies of Diglot."""
    pairs = [pair.strip() for value in values for pair in value.split(b";")]
    return b"; ".join(pair for pair in pairs if pair and _may_pass(pair))


def _may_pass(pair: bytes) -> bool:
    """Tell whether a cookie is neither of Diglot's sign-in nor without a name.

    Browsers send the nameless `=diglot_session=x` as `diglot_session=x`, and what has no `=` as a name.
    """
    name, has_name, _ = pair.partition(b";")[0].partition(b"=")
    name = name.strip()
    return bool(has_name and name) and name not in _SESSION_COOKIES and not name.startswith(_DEVICE_COOKIES)
