"""Static content that is stored compressed and sent compressed if the client accepts that."""

import asyncio
import gzip
import hashlib
import re

import msgspec
from litestar.types import Receive, Scope, Send

from diglot.api.responses import Headers

# A quality of 0 rejects a coding (RFC 9110, section 12.4.2).
_ZERO_QUALITY = re.compile(rb"q=0(\.0{0,3})?")


class CompressedContent(msgspec.Struct, frozen=True):
    """Gzipped content with an ETag from its digest: an ASGI app that sends it, or 304 for a current copy."""

    media_type: bytes
    content: bytes
    digest: str
    headers: Headers = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content."""
        del receive
        tag = b'W/"%s"' % self.digest.encode()
        headers = [(b"etag", tag), (b"vary", b"accept-encoding"), *self.headers]
        if _client_has(scope, tag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        body = self.content
        if _accepts_gzip(scope):
            headers.append((b"content-encoding", b"gzip"))
        else:
            body = await asyncio.to_thread(gzip.decompress, body)
        headers += [
            (b"content-type", self.media_type),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def compress_content(media_type: bytes, content: bytes, headers: Headers = ()) -> CompressedContent:
    """Return content in compressed form."""
    digest = hashlib.sha256(content).hexdigest()
    return CompressedContent(media_type, gzip.compress(content, mtime=0), digest, headers)


def _client_has(scope: Scope, tag: bytes) -> bool:
    """Tell whether the client has the content; tags are compared weakly (RFC 9110, section 13.1.2)."""
    tags = _header_items(scope, b"if-none-match")
    return b"*" in tags or tag.removeprefix(b"W/") in {tag_.removeprefix(b"W/") for tag_ in tags}


def _accepts_gzip(scope: Scope) -> bool:
    accepted = {}
    for item in _header_items(scope, b"accept-encoding"):
        coding, _, quality = item.lower().partition(b";")
        accepted[coding.strip()] = _ZERO_QUALITY.fullmatch(quality.strip()) is None
    return accepted.get(b"gzip", accepted.get(b"*", False))


def _header_items(scope: Scope, name: bytes) -> list[bytes]:
    """Return the items of a list header."""
    values = [value for key, value in scope["headers"] if key == name]
    return [item.strip() for value in values for item in value.split(b",")]
