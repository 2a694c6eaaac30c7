"""One interface for segments and contacts over HTTP in both dialects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from diglot.api.rules.words import Words
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from support.servers.in_process import Server, bearer

Json = Mapping[str, Any]


@dataclass(frozen=True)
class DialectClient:
    """A client of a dialect."""

    client: httpx.AsyncClient
    key: str
    prefix: str
    member: str
    words: Words

    async def request(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Send a request, expect a status and return the response's JSON."""
        content = None if body is None else json.dumps(body).encode()
        headers = {**bearer(self.key), **({} if body is None else {"Content-Type": "application/json"})}
        url = f"{self.prefix}{path}"
        answer = await self.client.request(method, url, headers=headers, content=content)
        assert answer.status_code == status, f"{method} {url}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    async def create(self, name: str, condition: Any, **more: Any) -> Any:
        """Create a segment and return it."""
        raise NotImplementedError

    async def get(self, id_: str) -> Any:
        """Return a segment."""
        return (await self.request("GET", f"/segments/{id_}"))["data"]

    async def patch(self, id_: str, **parts: Any) -> Any:
        """Update a segment; `condition` becomes the dialect's property for it."""
        body = {self.member if key == "condition" else key: value for key, value in parts.items()}
        return (await self.request("PATCH", f"/segments/{id_}", body))["data"]

    async def delete(self, id_: str) -> None:
        """Delete a segment."""
        await self.request("DELETE", f"/segments/{id_}")

    async def counts(self, id_: str) -> Sequence[int]:
        """Return every figure that shows how many members a segment has."""
        raise NotImplementedError

    async def members(self, id_: str) -> list[str]:
        """Return the ids of the members in the order of all pages."""
        raise NotImplementedError

    async def order(self) -> list[str]:
        """Return the names of the segments in the order of their list."""
        raise NotImplementedError


class Misar(DialectClient):
    """A client of Misar's API."""

    async def create(self, name: str, condition: Any, **more: Any) -> Any:
        body = {"name": name, "segment_type": "dynamic", "filter_criteria": condition} | more
        return (await self.request("POST", "/segments", body, 201))["data"]

    async def counts(self, id_: str) -> Sequence[int]:
        preview = await self.request("GET", f"/segments/{id_}/preview")
        members = await self.request("GET", f"/segments/{id_}/members?limit=1")
        own = (await self.get(id_))["contact_count"]
        return own, preview["data"]["total_matching"], members["pagination"]["total"]

    async def members(self, id_: str) -> list[str]:
        results: list[str] = []
        page = pages = 1
        while page <= pages:
            answer = await self.request("GET", f"/segments/{id_}/members?page={page}&limit=17")
            results += answer["data"]["contact_ids"]
            page, pages = page + 1, answer["pagination"]["total_pages"]
        return results

    async def order(self) -> list[str]:
        answer = await self.request("GET", "/segments?limit=100")
        return [segment["name"] for segment in answer["data"]["segments"]]


class Topmail(DialectClient):
    """A client of Topmail's API."""

    async def create(self, name: str, condition: Any, **more: Any) -> Any:
        body = {"name": name, "conditions": condition} | more
        return (await self.request("POST", "/segments", body, 201))["data"]

    async def counts(self, id_: str) -> Sequence[int]:
        estimate = (await self.request("POST", f"/segments/{id_}/estimate"))["data"]
        contacts = await self.request("GET", f"/segments/{id_}/contacts?limit=1")
        return estimate["count"], estimate["estimated_count"], contacts["pagination"]["total"]

    async def members(self, id_: str) -> list[str]:
        results: list[str] = []
        more = True
        while more:
            answer = await self.request("GET", f"/segments/{id_}/contacts?limit=17&offset={len(results)}")
            results += [item["id"] for item in answer["data"]]
            more = answer["pagination"]["has_more"]
        return results

    async def order(self) -> list[str]:
        answer = await self.request("GET", "/segments?limit=100")
        return [item["name"] for item in answer["data"]]


async def dialect_clients(server: Server, workspace: str = "one") -> tuple[Misar, Topmail]:
    """Return a client of each dialect, both of one workspace."""
    misar = await server.key("misar", workspace)
    topmail = await server.key("topmail", workspace)
    return (
        Misar(server.client, misar, "/mail/v1", "filter_criteria", MISAR),
        Topmail(server.client, topmail, "/api/v1", "conditions", TOPMAIL),
    )
