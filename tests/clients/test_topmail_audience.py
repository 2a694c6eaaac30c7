"""Topmail's audience calls over plain HTTP, against a server process: lists, tags and conversions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.engines import Database
from support.reporting import Tally
from support.servers.in_process import bearer
from support.servers.process import ServerProcess

BUYERS = {"match": "all", "rules": [{"field": "total_spent", "operator": "gte", "value": 100}]}
VIPS = {"match": "any", "rules": [{"field": "tags", "operator": "contains", "value": "vip"}]}


def _x_api_key(key: str) -> Mapping[str, str]:
    return {"X-API-Key": key}


@dataclass
class Shop:
    """A program that a shop runs against the API."""

    client: httpx.AsyncClient

    async def request(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Return the JSON of a response."""
        answer = await self.client.request(method, path, **({"json": body} if body is not None else {}))
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def create(self, path: str, body: Any) -> str:
        """Create a resource and return its id."""
        id_: str = (await self.request("POST", path, body, 201))["data"]["id"]
        return id_

    async def emails(self, path: str) -> list[str]:
        """Return the local parts of the addresses of a page, newest first; the total is their number."""
        page = await self.request("GET", path)
        assert page["pagination"]["total"] == len(page["data"])
        return [item["email"].partition("@")[0] for item in page["data"]]


@pytest.mark.parametrize("header", [bearer, _x_api_key], ids=["Authorization", "X-API-Key"])
@pytest.mark.parametrize("prefix", ["tm_live_", "tm_test_"])
async def test_a_shop(
    live: ServerProcess, header: Any, prefix: str, database: Database, tally: Tally
) -> None:
    """Contacts join lists, get tags, buy and leave; every read shows each step immediately."""
    key = await live.key("topmail", prefix=prefix)
    async with httpx.AsyncClient(base_url=f"{live.base}/api/v1", headers=header(key)) as client:
        shop = Shop(client)
        news = await shop.create("/lists", {"name": "News"})
        ada = await shop.create("/contacts", {"email": "ada@example.com", "list_id": news})
        bob = await shop.create(
            "/contacts", {"email": "bob@example.com", "first_name": "Bob", "tags": ["vip"]}
        )
        buyers = await shop.create("/lists", {"name": "Buyers", "type": "dynamic", "conditions": BUYERS})
        vips = await shop.create("/segments", {"name": "VIPs", "conditions": VIPS})
        await _lists(shop, news, bob)
        await _tags(shop, vips, ada)
        await _conversions(shop, buyers, ada)
        await shop.request("DELETE", f"/contacts/{ada}")
        assert await shop.emails(f"/lists/{buyers}/members") == []
        assert await shop.emails(f"/segments/{vips}/contacts") == ["bob"]
        for path in (f"/lists/{news}", f"/lists/{buyers}", f"/segments/{vips}"):
            assert await shop.request("DELETE", path) == {"data": {"success": True}}
            await shop.request("GET", path, status=404)
        assert await shop.emails("/contacts") == ["bob"]
    tally("examples of Topmail's audience", database.name, 1)


async def _lists(shop: Shop, news: str, bob: str) -> None:
    assert await shop.emails(f"/lists/{news}/members") == ["ada"]
    await shop.request("POST", f"/lists/{news}/members", {"contact_id": bob})
    assert await shop.emails(f"/contacts?list_id={news}&search=bob") == ["bob"]
    shown = (await shop.request("GET", f"/contacts/{bob}"))["data"]
    assert shown["lists"] == [{"id": news, "name": "News"}]
    assert (await shop.request("GET", f"/lists/{news}"))["data"]["member_count"] == 2
    await shop.request("DELETE", f"/lists/{news}/members/{bob}")
    assert await shop.emails(f"/lists/{news}/members") == ["ada"]


async def _tags(shop: Shop, vips: str, ada: str) -> None:
    (tag,) = (await shop.request("GET", "/tags?search=VIP"))["data"]
    assert tag["contact_count"] == 1
    await shop.request("POST", f"/tags/{tag['id']}/contacts", {"contact_id": ada})
    assert await shop.emails(f"/tags/{tag['id']}/contacts") == ["bob", "ada"]
    assert await shop.emails(f"/segments/{vips}/contacts") == ["bob", "ada"]
    estimate = (await shop.request("POST", f"/segments/{vips}/estimate"))["data"]
    assert estimate["count"] == 2


async def _conversions(shop: Shop, buyers: str, ada: str) -> None:
    order = {"email": "ada@example.com", "type": "purchase", "revenue": 100, "order_id": "o1"}
    told = [await shop.request("POST", "/conversions", order, 201) for _ in range(2)]
    assert told[0] == told[1]
    view = {"contact_id": ada, "product_id": "p", "product_name": "P", "product_url": "https://example.com/p"}
    await shop.request("POST", "/track/product-view", view, 201)
    assert await shop.emails(f"/lists/{buyers}/members") == ["ada"]
    assert (await shop.request("GET", f"/conversions?contact_id={ada}"))["pagination"]["total"] == 1
