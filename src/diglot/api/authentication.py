"""Authenticates the caller of a request: by API key, by the session cookie of a browser, or by a signature.

A browser also sends the cookie with requests that other sites trigger. A write in a session therefore needs a
CSRF token, which only our own pages can read, and is rejected if the browser reports another site as origin.
"""

from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from diglot.api.dialect import Dialect
from diglot.api.input import request_body
from diglot.api.input.request import HasScope, Request, find_header
from diglot.api.operation import Operation
from diglot.errors import CrossSiteWrite, InvalidSignature
from diglot.model.ids import parse_id
from diglot.model.workspaces import Caller
from diglot.service.access import sessions
from diglot.service.services import Services

SESSION_COOKIE: Final = "diglot_session"
# Under https. Browsers take a cookie with this prefix from the host itself only, and not from its siblings.
SECURE_SESSION_COOKIE: Final = "__Host-diglot_session"
SESSION_COOKIES: Final = (SESSION_COOKIE, SECURE_SESSION_COOKIE)
# The key in a request's scope for whether the client uses https.
SECURE: Final = "diglot.secure"
CSRF_HEADER: Final = "X-CSRF-Token"
_SAME_SITE_VALUES: Final = ("same-origin", "none")
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


async def authenticate_request(dialect: Dialect, request: HasScope, services: Services) -> Caller:
    """Return the caller; a key overrides a cookie. Raise `Unauthenticated` or `CrossSiteWrite`."""
    key = dialect.read_secret(request)
    if key is None and dialect.allows_sessions and (secret := read_session_cookie(request)) is not None:
        session = await services.sessions.find(secret)
        require_csrf_token(request, secret)
        return sessions.session_caller(session, dialect.key_format.scopes)
    return await services.keys.authenticate(dialect.name, key)


async def authenticate_webhook(
    dialect: Dialect, operation: Operation, request: Request, services: Services
) -> tuple[Caller, bytes]:
    """Return the caller that the source in the path stands for, and the body; raise `InvalidSignature`.

    An unknown source is not told from a wrong signature; of a known one the media type and the size are
    checked before. The bytes are verified as they came, before anything is made of them.
    """
    received = services.received_webhooks
    id_ = parse_id(request.scope["path_params"]["source_id"])
    source = await received.find_source(dialect.name, id_)
    if source is None or source.secret is None:
        raise InvalidSignature
    request_body.check_headers(request, operation.max_bytes, operation.media_types)
    body = await request_body.read_bytes(request, operation.max_bytes)
    if not dialect.is_signed(request, body, source.secret, received.clock()):
        raise InvalidSignature
    return Caller(source.workspace, ZoneInfo(source.time_zone), source.id, frozenset({operation.scope})), body


def read_session_cookie(request: HasScope) -> str | None:
    """Return the secret of the session; None if there is none, or if two cookies differ.

    Under https only the cookie that is bound to the host counts, because a sibling domain can set the other.
    """
    return read_cookie(request, session_cookie_name(request))


def read_cookie(request: HasScope, wanted: str) -> str | None:
    """Return the value of a cookie; None if there is none, or if two cookies of this name differ."""
    found = set()
    for key, value in request.scope["headers"]:
        if key == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                name, _, secret = pair.strip().partition("=")
                if name == wanted:
                    found.add(secret)
    return found.pop() if len(found) == 1 else None


def session_cookie_name(request: HasScope) -> str:
    """Return the name of the session's cookie, which depends on whether the client uses https."""
    return SECURE_SESSION_COOKIE if request.scope.get(SECURE) else SESSION_COOKIE


def require_csrf_token(request: HasScope, secret: str) -> None:
    """Raise `CrossSiteWrite` for a write without a valid CSRF token."""
    if request.scope["method"] in _SAFE_METHODS:
        return
    refuse_cross_site(request)
    if not sessions.csrf_token_matches(secret, find_header(request, CSRF_HEADER.lower().encode()) or ""):
        raise CrossSiteWrite(f"Send the csrf_token of the session as {CSRF_HEADER}")


def refuse_cross_site(request: HasScope) -> None:
    """Raise `CrossSiteWrite` if the request comes from another site or from a sibling domain.

    Sec-Fetch-Site is reliable if the browser sends it; otherwise an Origin has to be our host.
    """
    site, origin = find_header(request, b"sec-fetch-site"), find_header(request, b"origin")
    if site is not None:
        ours = site in _SAME_SITE_VALUES
    else:
        ours = origin is None or _parse_authority(origin) == (find_header(request, b"host") or "").lower()
    if not ours:
        raise CrossSiteWrite("Another site may not do this in your session")


def _parse_authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
