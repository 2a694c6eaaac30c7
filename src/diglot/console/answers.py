"""What handlers of pages return: HTML, and redirects. Both are ASGI apps."""

from dataclasses import dataclass
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Html:
    """A page, or a part of one that replaces a part of a page."""

    text: str
    status: int = 200
    headers: Headers = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page."""
        del scope, receive
        media_type = (b"content-type", b"text/html; charset=utf-8")
        await _send(send, self.status, self.text.encode(), (media_type, *self.headers))


@dataclass(frozen=True, slots=True)
class Redirect:
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


@dataclass(frozen=True, slots=True)
class Download:
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
