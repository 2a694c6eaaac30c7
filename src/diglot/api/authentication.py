"""Who asks: the holder of a key, or a person whose browser sends the cookie of a session.

A browser sends that cookie with requests that other sites make it send, too. So a write in a session has to
show what only a page of ours knows, and is refused where the browser says that another site sends it.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request

from diglot.api.dialect import Dialect
from diglot.api.input.headers import find_header
from diglot.errors import CrossSiteWrite
from diglot.model.workspaces import Caller
from diglot.service.access import sessions
from diglot.service.services import Services

SESSION_COOKIE: Final = "diglot_session"
CSRF_HEADER: Final = "X-CSRF-Token"
_SAME_SITE_VALUES: Final = ("same-origin", "none")
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


async def authenticate_request(
    dialect: Dialect, request: Request[Any, Any, Any], services: Services
) -> Caller:
    """Return who asks; a key wins over a cookie. Raise `Unauthenticated` or `CrossSiteWrite`."""
    key = dialect.read_secret(request)
    if key is None and dialect.allows_sessions and (secret := read_session_cookie(request)) is not None:
        session = await services.sessions.find(secret)
        require_csrf_token(request, secret)
        return sessions.session_caller(session, dialect.key_format.scopes)
    return await services.keys.authenticate(dialect.name, key)


def read_session_cookie(request: Request[Any, Any, Any]) -> str | None:
    """Return the secret of the session, None without one; of two that differ none is believed."""
    found = set()
    for key, value in request.scope["headers"]:
        if key == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                name, _, secret = pair.strip().partition("=")
                if name == SESSION_COOKIE:
                    found.add(secret)
    return found.pop() if len(found) == 1 else None


def require_csrf_token(request: Request[Any, Any, Any], secret: str) -> None:
    """Raise `CrossSiteWrite` for a write that does not show that a page of ours sends it."""
    if request.scope["method"] in _SAFE_METHODS:
        return
    refuse_cross_site(request)
    if not sessions.csrf_token_matches(secret, find_header(request, CSRF_HEADER.lower().encode()) or ""):
        raise CrossSiteWrite(f"Send the csrf_token of the session as {CSRF_HEADER}")


def refuse_cross_site(request: Request[Any, Any, Any]) -> None:
    """Raise `CrossSiteWrite` when the browser says that another site, or a sibling of ours, sends a request.

    A browser that sends Sec-Fetch-Site cannot be mistaken about it; the Origin of others must be our host.
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
