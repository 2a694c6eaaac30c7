"""Topmail has no client to install, so this is its example over plain HTTP, against a server process."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from support.servers.in_process import bearer
from support.servers.process import ServerProcess

RULES = [
    {"field": "engagement_score", "operator": "gte", "value": 50},
    {"field": "subscribed", "operator": "equals", "value": True},
]
CONDITIONS = {"match": "all", "rules": RULES}
MISSING = {"error": {"code": "not_found", "message": "Segment not found"}}
UNKNOWN = {"error": {"code": "unauthorized", "message": "Missing, invalid or revoked API key"}}


def _x_api_key(key: str) -> Mapping[str, str]:
    return {"X-API-Key": key}


async def _request(
    client: httpx.AsyncClient, method: str, path: str, body: Any = None, status: int = 200
) -> Any:
    answer = await client.request(method, path, json=body) if body else await client.request(method, path)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


@pytest.mark.parametrize("header", [bearer, _x_api_key], ids=["Authorization", "X-API-Key"])
@pytest.mark.parametrize("prefix", ["tm_live_", "tm_test_"])
async def test_contacts_and_segments(live: ServerProcess, header: Any, prefix: str) -> None:
    """Contacts are created, segmented, counted, paged and deleted; the estimate always equals the total."""
    key = await live.key("topmail", prefix=prefix)
    async with httpx.AsyncClient(base_url=f"{live.base}/api/v1", headers=header(key)) as client:
        for number in range(5):
            body = {"email": f"ada{number}@example.com", "engagement_score": 48 + number}
            created = (await _request(client, "POST", "/contacts", body, 201))["data"]
            assert list(created)[:7] == _OWN_KEYS
        body = {"name": "Engaged", "conditions": CONDITIONS}
        segment = (await _request(client, "POST", "/segments", body, 201))["data"]
        assert segment["conditions"] == CONDITIONS
        assert await _walk(client, segment["id"]) == [f"ada{number}@example.com" for number in (4, 3, 2)]
        await _request(client, "PATCH", f"/contacts/{created['id']}", {"subscribed": False})
        assert await _walk(client, segment["id"]) == [f"ada{number}@example.com" for number in (3, 2)]
        await _finish(client, segment["id"])


_OWN_KEYS = ["id", "email", "first_name", "last_name", "attributes", "subscribed", "created_at"]


async def _walk(client: httpx.AsyncClient, id_: str) -> list[str]:
    """Page through the contacts of a segment one by one; the estimate is their number."""
    results: list[str] = []
    more = True
    while more:
        page = await _request(client, "GET", f"/segments/{id_}/contacts?limit=1&offset={len(results)}")
        results += [item["email"] for item in page["data"]]
        more = page["pagination"]["has_more"]
        assert page["pagination"]["total"] == (await _count(client, id_))
    return results


async def _count(client: httpx.AsyncClient, id_: str) -> int:
    data = (await _request(client, "POST", f"/segments/{id_}/estimate"))["data"]
    assert data["count"] == data["estimated_count"]
    return int(data["count"])


async def _finish(client: httpx.AsyncClient, id_: str) -> None:
    assert (await _request(client, "GET", "/segments?search=eNGag"))["pagination"]["total"] == 1
    renamed = (await _request(client, "PATCH", f"/segments/{id_}", {"name": "Top"}))["data"]
    assert (renamed["name"], renamed["conditions"]) == ("Top", CONDITIONS)
    assert await _request(client, "DELETE", f"/segments/{id_}") == {"data": {"success": True}}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/estimate"), ("GET", "/contacts")):
        assert await _request(client, method, f"/segments/{id_}{path}", status=404) == MISSING
    assert (await _request(client, "GET", "/contacts"))["pagination"]["total"] == 5


async def test_live_and_test_keys_see_the_same(live: ServerProcess) -> None:
    """A sandbox key works on the data of its workspace; if both headers are sent, the bearer token wins."""
    keys = [await live.key("topmail", prefix=prefix) for prefix in ("tm_live_", "tm_test_")]
    async with httpx.AsyncClient(base_url=f"{live.base}/api/v1") as client:
        client.headers = httpx.Headers(bearer(keys[0]))
        created = (await _request(client, "POST", "/segments", {"name": "Shared"}, 201))["data"]
        client.headers = httpx.Headers({**bearer(keys[1]), "X-API-Key": "tm_live_unknown"})
        assert (await _request(client, "GET", f"/segments/{created['id']}"))["data"] == created
        client.headers = httpx.Headers({**bearer("tm_live_unknown"), "X-API-Key": keys[0]})
        assert await _request(client, "GET", "/segments", status=401) == UNKNOWN
