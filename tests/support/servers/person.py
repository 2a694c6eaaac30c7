"""A person who uses the console: opens pages, and sends forms as the pages do."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import httpx

from diglot.dialects.registry import DIALECTS
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from support.servers.in_process import Server

_FORM: Final = "application/x-www-form-urlencoded"
_BOUNDARY: Final = "boundary-of-a-browser"
FILE_FORM: Final = f"multipart/form-data; boundary={_BOUNDARY}"
_TOKEN: Final = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')


@dataclass
class Person:
    """A person at a server, signed in if there is a cookie; `token` is what the pages send with forms."""

    server: Server
    cookie: str | None = None
    token: str = ""

    async def open(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Open a page."""
        return await self._send("GET", path, None, headers or {})

    async def send(
        self,
        path: str,
        fields: Mapping[str, str] | Sequence[tuple[str, str]],
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a form; it has the token of the session unless the fields have another."""
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        # Of a name that occurs twice the first value counts.
        body = urlencode([*pairs, ("csrf_token", self.token)] if self.token else pairs)
        return await self._send("POST", path, body, {"Content-Type": _FORM} | dict(headers or {}))

    async def send_file(
        self,
        path: str,
        name: str,
        content: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        piece: int = 0,
    ) -> httpx.Response:
        """Send a form with the token of the session and a file, at once or in pieces."""
        body = encode_file_form({"csrf_token": self.token}, name, content)
        own = {"Content-Type": FILE_FORM, **(headers or {})}
        return await self._send("POST", path, _cut(body, piece) if piece else body, own)

    async def _send(
        self,
        method: str,
        path: str,
        body: str | bytes | AsyncIterator[bytes] | None,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        sent = dict(headers)
        if self.cookie is not None:
            sent["Cookie"] = self.cookie
        self.server.client.cookies.clear()
        answer = await self.server.client.request(method, path, content=body, headers=sent)
        self.server.client.cookies.clear()
        return answer

    async def keep_session(self, answer: httpx.Response) -> None:
        """Keep the cookie of a session that an answer begins, and the token of its pages."""
        self.cookie = answer.headers.get_list("set-cookie")[0].partition(";")[0]
        page = await self.open("/console")
        found = _TOKEN.search(page.text)
        assert found is not None
        self.token = found[1]


def encode_file_form(fields: Mapping[str, str], name: str, content: bytes) -> bytes:
    """Return a form as browsers encode it: fields, then the file."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
    parts.append(f"{head}Content-Type: text/csv\r\n\r\n".encode() + content)
    return b"".join(parts) + f"\r\n--{_BOUNDARY}--\r\n".encode()


async def _cut(body: bytes, piece: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), piece):
        yield body[start : start + piece]


async def create_link(server: Server, workspace: str) -> str:
    """Return the secret of a new one-time link to a workspace, which is created if it is new."""
    key = await server.key(DIALECTS[0].name, workspace)
    engine = await server.beside.engine()
    caller = await Keys(engine, lambda: server.now).authenticate(DIALECTS[0].name, key)
    limits = RateLimits(engine, lambda: server.now)
    return await Sessions(engine, limits, lambda: server.now).create_link(caller)


async def sign_in(server: Server, workspace: str = "one") -> Person:
    """Return a person who is signed in to a workspace."""
    person = Person(server)
    link = await create_link(server, workspace)
    await person.keep_session(await person.send("/console/enter", {"token": link}))
    return person
