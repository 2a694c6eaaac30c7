"""Contents that are kept compressed, and go out like that to whoever reads it."""

import asyncio
import gzip
import hashlib
import re
from dataclasses import dataclass

from litestar.types import Receive, Scope, Send

from diglot.api.responses import Headers

# A quality of nothing: what a client does not want.
_REFUSED = re.compile(rb"q=0(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Packed:
    """A content as gzip, known by its digest: an ASGI app that sends it, or says that the client has it."""

    media_type: bytes
    content: bytes
    digest: str
    headers: Headers = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content."""
        del receive
        tag = b'W/"%s"' % self.digest.encode()
        headers = [(b"etag", tag), (b"vary", b"accept-encoding"), *self.headers]
        if _has(scope, tag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        body = self.content
        if _reads_gzip(scope):
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


def packed(media_type: bytes, content: bytes, headers: Headers = ()) -> Packed:
    """Return a content, packed."""
    digest = hashlib.sha256(content).hexdigest()
    return Packed(media_type, gzip.compress(content, mtime=0), digest, headers)


def _has(scope: Scope, tag: bytes) -> bool:
    """Tell whether the client has the content; tags are compared weakly."""
    known = _listed(scope, b"if-none-match")
    return b"*" in known or tag.removeprefix(b"W/") in {each.removeprefix(b"W/") for each in known}


def _reads_gzip(scope: Scope) -> bool:
    read = {}
    for each in _listed(scope, b"accept-encoding"):
        coding, _, quality = each.lower().partition(b";")
        read[coding.strip()] = _REFUSED.fullmatch(quality.strip()) is None
    return read.get(b"gzip", read.get(b"*", False))


def _listed(scope: Scope, name: bytes) -> list[bytes]:
    """Return the members of a header that is a list."""
    values = [value for key, value in scope["headers"] if key == name]
    return [each.strip() for value in values for each in value.split(b",")]
