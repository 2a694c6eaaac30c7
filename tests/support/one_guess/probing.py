"""What the probes share: a server on a new database, with a client of each dialect in one workspace."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import diglot
from diglot.dialects.registry import DIALECTS
from diglot.storage.schema import migrate
from support.servers.in_process import bearer, serving

CONTACT = {"email": "ada@example.com"}


@dataclass(frozen=True)
class Caller:
    """A client of one dialect."""

    client: httpx.AsyncClient
    prefix: str
    headers: Mapping[str, str]

    async def send(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Return the body of a response that has to be a success."""
        response = await self.client.request(
            method, f"{self.prefix}{path}", json=body, params=query, headers=self.headers
        )
        assert response.is_success, (response.status_code, response.text)
        return response.json()


@asynccontextmanager
async def callers(url: str) -> AsyncIterator[dict[str, Caller]]:
    """Serve a new database; give a caller for each dialect, all of one workspace."""
    await migrate.upgrade_schema(url)
    async with serving(url) as server:
        yield {
            dialect.name: Caller(
                server.client, dialect.prefix, bearer(await server.key(dialect.name, "probe"))
            )
            for dialect in DIALECTS
        }


def run(probe: Callable[[str], Awaitable[None]]) -> None:
    """Run a probe on the database that the command names."""
    copy = Path(diglot.__file__)
    assert copy.is_relative_to(Path.cwd()), f"the probe imported {copy}, not the copy"
    asyncio.run(probe(sys.argv[1]))  # type: ignore[arg-type]
