"""What handlers of pages return: HTML, and redirects. Both are ASGI apps."""

from typing import Final

import msgspec
from litestar.types import Receive, Scope, Send

from diglot.api.responses import Headers

# Scripts and styles are files of this server; nothing inline, and nothing of another origin.
_CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final[Headers] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _CONTENT_SECURITY_POLICY),
    # With `no-referrer` browsers would send `Origin: null` with our own forms.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)


class Html(msgspec.Struct, frozen=True):
    """A page, or a part of one that replaces a part of a page."""

    text: str
    status: int = 200
    headers: Headers = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page."""
        del scope, receive
        media_type = (b"content-type", b"text/html; charset=utf-8")
        await _send(send, self.status, self.text.encode(), (media_type, *self.headers))


class Redirect(msgspec.Struct, frozen=True):
    """The browser continues with a GET of another path of this server."""

    path: str
    headers: Headers = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the redirect; htmx follows its own header, because a fetch follows redirects unseen."""
        del receive
        location = self.path.encode("ascii")
        is_part = any(name == b"hx-request" for name, _ in scope["headers"])
        status, name = (200, b"hx-redirect") if is_part else (303, b"location")
        await _send(send, status, b"", ((name, location), *self.headers))


class Download(msgspec.Struct, frozen=True):
    """A short file that the browser saves."""

    name: str
    media_type: str
    content: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        del scope, receive
        headers = (
            (b"content-type", self.media_type.encode()),
            (b"content-disposition", b'attachment; filename="%s"' % self.name.encode("ascii")),
        )
        await _send(send, 200, self.content, headers)


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length, *_HEADERS]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
