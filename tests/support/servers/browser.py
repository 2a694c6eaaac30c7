"""A browser of the console: it has one cookie, and sends what the console's page would send."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from diglot.service.access.workspaces import Workspaces
from support.servers.in_process import Beside, Server

Headers = Mapping[str, str]
NONE: Final[Headers] = {}
PASSWORD: Final = "correct horse battery staple"


async def set_password(beside: Beside, workspace: str, password: str | None = PASSWORD) -> None:
    """Set the password of a workspace through the operator's use case."""
    await Workspaces(await beside.engine()).set_password(workspace, password)


@dataclass
class Browser:
    """A browser at a server; `csrf_token` is the token that the console's page knows.

    `cookie` is that of its session, `device` the one by which it is known later.
    """

    server: Server
    cookie: str | None = None
    csrf_token: str = ""
    device: str | None = None

    async def sign_in(
        self, workspace: str = "one", password: str = PASSWORD, headers: Headers = NONE
    ) -> httpx.Response:
        """Sign in, and keep the cookie and the token on success."""
        body = {"workspace": workspace, "password": password}
        answer = await self.request("POST", "/session", body, headers, proves=False)
        if answer.status_code == 200:
            cookies = answer.headers.get_list("set-cookie")
            self.cookie, self.device = (cookie.partition(";")[0] for cookie in cookies)
            self.csrf_token = answer.json()["csrf_token"]
        return answer

    async def request(
        self, method: str, path: str, body: Any = None, headers: Headers = NONE, *, proves: bool = True
    ) -> httpx.Response:
        """Send a request with the cookie, and with the token if `proves` is set."""
        sent = dict(headers)
        kept = [cookie for cookie in (self.cookie, self.device) if cookie is not None]
        if kept:
            sent.setdefault("Cookie", "; ".join(kept))
        if proves and method != "GET":
            sent.setdefault("X-CSRF-Token", self.csrf_token)
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        # The test's own client stores no cookie, so that a test controls what is sent.
        self.server.client.cookies.clear()
        answer = await self.server.client.request(
            method,
            path,
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            content=content,
        )
        self.server.client.cookies.clear()
        return answer
