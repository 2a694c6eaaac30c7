"""Failures that real clients meet: a lost response, and exhausted rate limits."""

import asyncio

import httpx
import misarmail  # type: ignore[import-untyped]
import pytest

from support.engines import Database
from support.servers.flaky_proxy import Proxy, proxy
from support.servers.in_process import bearer
from support.servers.process import ServerProcess, running

RULES = {"operator": "AND", "rules": [{"field": "email", "operator": "is_not_empty"}]}
SEGMENT = {"name": "All", "segment_type": "dynamic", "filter_criteria": RULES}


async def test_a_retry_after_a_lost_response_creates_one_segment(live: ServerProcess) -> None:
    """The client repeats its POST without an idempotency key, and the server has one segment."""
    key = await live.key("misar")
    async with proxy(live.base, to_lose=1) as before:
        client = misarmail.MisarMailClient(key, base_url=f"{before.url}/mail/v1")
        created = await asyncio.to_thread(client._request, "POST", "/segments", SEGMENT)
        listed = await asyncio.to_thread(client._request, "GET", "/segments")
    assert [segment["id"] for segment in listed["data"]["segments"]] == [created["data"]["id"]]


async def test_a_retry_after_a_lost_response_finds_the_contact(live: ServerProcess) -> None:
    """The client's own retry gets 409 because the first request created the contact."""
    key = await live.key("misar")
    async with proxy(live.base, to_lose=1) as before:
        client = misarmail.MisarMailClient(key, base_url=f"{before.url}/mail/v1")
        with pytest.raises(misarmail.MisarMailError, match="already exists") as raised:
            await asyncio.to_thread(client.contacts.create, {"email": "ada@example.com"})
        assert raised.value.status == 409
        assert (await asyncio.to_thread(client.contacts.list))["pagination"]["total"] == 1


@pytest.mark.parametrize(("dialect", "prefix"), [("misar", "/mail/v1"), ("topmail", "/api/v1")])
async def test_an_idempotency_key_recovers_a_lost_response(
    live: ServerProcess, dialect: str, prefix: str
) -> None:
    """With an idempotency key the second request gets the response of the first."""
    headers = {**bearer(await live.key(dialect)), "Idempotency-Key": "one"}
    async with (
        proxy(live.base, to_lose=1) as before,
        httpx.AsyncClient(base_url=before.url + prefix, headers=headers) as client,
    ):
        with pytest.raises(httpx.TransportError):
            await client.post("/contacts", json={"email": "ada@example.com"})
        answer = await client.post("/contacts", json={"email": "ada@example.com"})
    assert (answer.status_code, answer.json()["data"]["email"]) == (201, "ada@example.com")
    assert answer.headers["idempotency-replayed"] == "true"


async def test_exhausted_rate_limits(database: Database) -> None:
    """The client sends a request three times, then raises an error that is no plan error.

    Topmail says when to retry.
    """
    async with (
        database.fresh() as url,
        running(url, "--rate-limits", "1") as live,
        proxy(live.base) as before,
    ):
        client = misarmail.MisarMailClient(await live.key("misar"), base_url=f"{before.url}/mail/v1")
        refused, asked = await _calls_until_rejected(client, before)
        assert asked == 3
        assert type(refused) is misarmail.MisarMailError
        assert refused.status == 429
        assert "Too many requests. Please slow down." in str(refused)
        headers = bearer(await live.key("topmail"))
        async with httpx.AsyncClient(base_url=f"{live.base}/api/v1", headers=headers) as topmail:
            answers = [await topmail.get("/contacts") for _ in range(4)]
        answer = next(answer for answer in answers if answer.status_code == 429)
        assert answer.json()["error"]["code"] == "rate_limited"
        assert 1 <= int(answer.headers["retry-after"]) <= 120


async def _calls_until_rejected(
    client: misarmail.MisarMailClient, before: Proxy
) -> tuple[misarmail.MisarMailError, int]:
    """Send requests until one is rejected, and return their number.

    The number varies, because a minute may end between two calls.
    """
    for _ in range(5):
        earlier = before.connections
        try:
            await asyncio.to_thread(client.contacts.list)
        except misarmail.MisarMailError as error:
            return error, before.connections - earlier
    raise AssertionError("five calls passed, although the limit allows one")
