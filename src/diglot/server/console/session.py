"""Signing in and out: `/session`.

The cookie goes to no script (HttpOnly) and with no write that another site begins (SameSite=Lax); on top of
that each write shows the token of its session. Signing in is refused to other sites as well: nobody is to be
signed in as somebody else unawares.
"""

from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from diglot.api.authentication import COOKIE, cookie, refuse_other_sites, require_proof
from diglot.api.call import SERVICES
from diglot.api.formatting import in_seconds
from diglot.api.input import request_body
from diglot.api.input.body_reader import Missing, Reader
from diglot.api.responses import Encoded, Headers, encode
from diglot.errors import Unauthenticated
from diglot.model.sessions import Session
from diglot.server.console import client_address
from diglot.server.console.routing import routed
from diglot.server.console.wire import ErrorBody, SessionAnswer, SignedOut
from diglot.service.access import passwords, sessions

PATH: Final = "/session"
_MOST_BYTES: Final = 16_384
_MEDIA: Final = ("application/json",)
_LONGEST_NAME: Final = 100
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_Request = Request[Any, Any, Any]


def routes(proxies: int, *, secure: bool) -> list[HTTPRouteHandler]:
    """Return the routes; `secure` says that all is https, `proxies` how many stand before the server."""

    async def sign_in(request: _Request) -> ASGIApp:
        return await _sign_in(request, client_address.client(request, proxies), secure=_secure(request))

    async def sign_out(request: _Request) -> ASGIApp:
        return await _sign_out(request, secure=_secure(request))

    def _secure(request: _Request) -> bool:
        return secure or client_address.is_https(request, proxies)

    return [
        routed(PATH, "POST", "signIn", sign_in),
        routed(PATH, "GET", "showSession", _show),
        routed(PATH, "DELETE", "signOut", sign_out),
    ]


async def _sign_in(request: _Request, address: str, *, secure: bool) -> Encoded:
    refuse_other_sites(request)
    request_body.refuse_unread(request, _MOST_BYTES, _MEDIA)
    reader = Reader(request_body.read_members(await request_body.read_bytes(request, _MOST_BYTES)))
    reader.required("workspace", "password")
    workspace = reader.text("workspace", _LONGEST_NAME)
    password = reader.text("password", passwords.MAX_LENGTH)
    reader.finish()
    assert not isinstance(workspace, Missing)
    assert not isinstance(password, Missing)
    service: sessions.Sessions = request.app.state[SERVICES].sessions
    try:
        secret, session = await service.sign_in(workspace, password, address, cookie(request))
    except Unauthenticated:
        return Encoded(401, encode(ErrorBody("The workspace or the password is wrong")), (_NOT_KEPT,))
    return _answer(secret, session, (_cookie(secret, sessions.SESSION_SECONDS, secure=secure),))


async def _show(request: _Request) -> Encoded:
    secret = cookie(request)
    if secret is None:
        raise Unauthenticated
    return _answer(secret, await request.app.state[SERVICES].sessions.find(secret))


async def _sign_out(request: _Request, *, secure: bool) -> Encoded:
    service: sessions.Sessions = request.app.state[SERVICES].sessions
    secret = cookie(request)
    if secret is not None and await _is_signed_in(service, secret):
        require_proof(request, secret)
        await service.sign_out(secret)
    gone = _cookie("", 0, secure=secure)
    return Encoded(200, encode(SignedOut(signed_in=False)), (gone, _NOT_KEPT))


async def _is_signed_in(service: sessions.Sessions, secret: str) -> bool:
    try:
        await service.find(secret)
    except Unauthenticated:
        return False
    return True


def _answer(secret: str, session: Session, headers: Headers = ()) -> Encoded:
    begun, ends = in_seconds(session.created_at), in_seconds(session.expires_at)
    assert begun is not None
    assert ends is not None
    workspace = session.workspace
    body = SessionAnswer(
        workspace.name, workspace.time_zone, begun, ends, sessions.compute_csrf_token(secret)
    )
    return Encoded(200, encode(body), (*headers, _NOT_KEPT))


def _cookie(secret: str, seconds: int, *, secure: bool) -> tuple[bytes, bytes]:
    parts = (f"{COOKIE}={secret}", "Path=/", f"Max-Age={seconds}", "HttpOnly", "SameSite=Lax")
    return b"set-cookie", "; ".join((*parts, "Secure") if secure else parts).encode()
