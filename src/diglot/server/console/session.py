"""Browser sessions: sign in, show and sign out at `/session`.

Scripts cannot read the cookies (HttpOnly), and browsers do not send it with writes that another site starts
(SameSite=Lax). In addition each write sends the session's CSRF token. Sign-in requests from other sites are
rejected, because an attacker could sign a person in to the attacker's workspace (login CSRF).
"""

from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from diglot.api.authentication import (
    SECURE,
    read_cookie,
    read_session_cookie,
    refuse_cross_site,
    require_csrf_token,
    session_cookie_name,
)
from diglot.api.call import SERVICES
from diglot.api.formatting import format_seconds
from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.responses import Headers, JsonResponse, encode_json
from diglot.errors import Unauthenticated
from diglot.model.workspaces import Session
from diglot.server.console.routing import build_route
from diglot.server.console.wire import ErrorBody, SessionAnswer, SignedOut, SignIn
from diglot.server.guards.networks import client_network
from diglot.service.access import devices, sessions

SESSION_PATH: Final = "/session"
_MAX_BODY_BYTES: Final = 16_384
_MEDIA_TYPES: Final = ("application/json",)
_NO_STORE: Final = (b"cache-control", b"no-store")
_Request = Request[Any, Any, Any]


def build_routes(proxies: int) -> list[HTTPRouteHandler]:
    """Return the routes; `proxies` is the number of reverse proxies before the server."""

    async def sign_in(request: _Request) -> ASGIApp:
        return await _sign_in(request, client_network(request.scope, proxies))

    return [
        build_route(SESSION_PATH, "POST", "signIn", sign_in),
        build_route(SESSION_PATH, "GET", "showSession", _show_session),
        build_route(SESSION_PATH, "DELETE", "signOut", _sign_out),
    ]


async def _sign_in(request: _Request, address: str) -> JsonResponse:
    refuse_cross_site(request)
    request_body.check_headers(request, _MAX_BODY_BYTES, _MEDIA_TYPES)
    reader = BodyReader(request_body.parse_object(await request_body.read_bytes(request, _MAX_BODY_BYTES)))
    body = reader.read(SignIn)
    reader.raise_faults()
    service: sessions.Sessions = request.app.state[SERVICES].sessions
    device_cookie = devices.name_cookie(body.workspace)
    browser = sessions.Browser(address, read_session_cookie(request), read_cookie(request, device_cookie))
    try:
        signed_in = await service.sign_in(body.workspace, body.password, browser)
    except Unauthenticated:
        return JsonResponse(
            401, encode_json(ErrorBody("The workspace or the password is wrong")), (_NO_STORE,)
        )
    cookies = build_session_cookies(request, body.workspace, signed_in)
    return _session_response(signed_in.secret, signed_in.session, cookies)


async def _show_session(request: _Request) -> JsonResponse:
    secret = read_session_cookie(request)
    if secret is None:
        raise Unauthenticated
    return _session_response(secret, await request.app.state[SERVICES].sessions.find(secret))


async def _sign_out(request: _Request) -> JsonResponse:
    service: sessions.Sessions = request.app.state[SERVICES].sessions
    secret = read_session_cookie(request)
    if secret is not None and await _is_signed_in(service, secret):
        require_csrf_token(request, secret)
        await service.sign_out(secret)
    headers = (expire_session_cookie(request), _NO_STORE)
    return JsonResponse(200, encode_json(SignedOut(signed_in=False)), headers)


async def _is_signed_in(service: sessions.Sessions, secret: str) -> bool:
    try:
        await service.find(secret)
    except Unauthenticated:
        return False
    return True


def _session_response(secret: str, session: Session, headers: Headers = ()) -> JsonResponse:
    signed_in_at, expires_at = format_seconds(session.created_at), format_seconds(session.expires_at)
    assert signed_in_at is not None
    assert expires_at is not None
    workspace = session.workspace
    body = SessionAnswer(
        workspace.name, workspace.time_zone, signed_in_at, expires_at, sessions.compute_csrf_token(secret)
    )
    return JsonResponse(200, encode_json(body), (*headers, _NO_STORE))


def build_session_cookies(request: _Request, workspace: str, signed_in: sessions.SignedIn | str) -> Headers:
    """Return the cookies of a new session; a secret without a device, that of a one-time link, has one."""
    if isinstance(signed_in, str):
        return (_build_cookie(request, signed_in, sessions.SESSION_SECONDS),)
    return (
        _build_cookie(request, signed_in.secret, sessions.SESSION_SECONDS),
        _build_device_cookie(request, devices.name_cookie(workspace), signed_in.device_token),
    )


def expire_session_cookie(request: _Request) -> tuple[bytes, bytes]:
    """Return the header that ends the cookie of a session."""
    return _build_cookie(request, "", 0)


def _build_cookie(request: _Request, secret: str, seconds: int) -> tuple[bytes, bytes]:
    name = session_cookie_name(request)
    return _join_cookie(
        request, f"{name}={secret}", "Path=/", f"Max-Age={seconds}", "HttpOnly", "SameSite=Lax"
    )


def _build_device_cookie(request: _Request, name: str, token: str) -> tuple[bytes, bytes]:
    lifetime = f"Max-Age={devices.DEVICE_SECONDS}"
    parts = (f"{name}={token}", f"Path={SESSION_PATH}", lifetime, "HttpOnly", "SameSite=Strict")
    return _join_cookie(request, *parts)


def _join_cookie(request: _Request, *parts: str) -> tuple[bytes, bytes]:
    return b"set-cookie", "; ".join((*parts, "Secure") if request.scope.get(SECURE) else parts).encode()
