"""Who asks: the holder of a key, or a person whose browser sends the cookie of a session.

A browser sends that cookie with requests that other sites make it send, too. So a write in a session has to
show what only a page of ours knows, and is refused where the browser says that another site sends it.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request

from diglot.api.dialect import Dialect
from diglot.api.input.headers import header
from diglot.errors import CrossSite
from diglot.model.workspaces import Caller
from diglot.service.access import sessions
from diglot.service.services import Services

COOKIE: Final = "diglot_session"
PROOF: Final = "X-CSRF-Token"
_OURS: Final = ("same-origin", "none")
_READS: Final = ("GET", "HEAD", "OPTIONS")


async def caller(dialect: Dialect, request: Request[Any, Any, Any], services: Services) -> Caller:
    """Return who asks; a key wins over a cookie. Raise `Unauthenticated` or `CrossSite`."""
    key = dialect.secret(request)
    if key is None and dialect.sessions and (secret := cookie(request)) is not None:
        session = await services.sessions.find(secret)
        require_proof(request, secret)
        return sessions.session_caller(session, dialect.keys.scopes)
    return await services.keys.authenticate(dialect.name, key)


def cookie(request: Request[Any, Any, Any]) -> str | None:
    """Return the secret of the session, None without one; of two that differ none is believed."""
    found = set()
    for key, value in request.scope["headers"]:
        if key == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                name, _, secret = pair.strip().partition("=")
                if name == COOKIE:
                    found.add(secret)
    return found.pop() if len(found) == 1 else None


def require_proof(request: Request[Any, Any, Any], secret: str) -> None:
    """Raise `CrossSite` for a write that does not show that a page of ours sends it."""
    if request.scope["method"] in _READS:
        return
    refuse_other_sites(request)
    if not sessions.csrf_token_matches(secret, header(request, PROOF.lower().encode()) or ""):
        raise CrossSite(f"Send the csrf_token of the session as {PROOF}")


def refuse_other_sites(request: Request[Any, Any, Any]) -> None:
    """Raise `CrossSite` when the browser says that another site, or a sibling of this one, sends a request.

    A browser that sends Sec-Fetch-Site cannot be mistaken about it; the Origin of others must be our host.
    """
    site, origin = header(request, b"sec-fetch-site"), header(request, b"origin")
    if site is not None:
        ours = site in _OURS
    else:
        ours = origin is None or _authority(origin) == (header(request, b"host") or "").lower()
    if not ours:
        raise CrossSite("Another site may not do this in your session")


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
