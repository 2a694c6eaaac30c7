"""Bad days of real clients: an answer that got lost, limits that are reached."""

import asyncio

import httpx
import misarmail  # type: ignore[import-untyped]
import pytest

from clients.lossy import losing_first_answer
from engines import Database
from live import Live, running
from server import bearer

RULES = {"operator": "AND", "rules": [{"field": "email", "operator": "is_not_empty"}]}
SEGMENT = {"name": "All", "segment_type": "dynamic", "filter_criteria": RULES}


async def test_a_segment_whose_answer_got_lost(live: Live) -> None:
    """The client sends its POST again by itself, without a name for it: there is one segment."""
    key = await live.key("misar")
    async with losing_first_answer(live.base) as base:
        client = misarmail.MisarMailClient(key, base_url=f"{base}/mail/v1")
        made = await asyncio.to_thread(client._request, "POST", "/segments", SEGMENT)
        listed = await asyncio.to_thread(client._request, "GET", "/segments")
    assert [one["id"] for one in listed["data"]["segments"]] == [made["data"]["id"]]


async def test_a_contact_whose_answer_got_lost(live: Live) -> None:
    """The client's own retry meets the contact that it made: 409 as ever, and nothing is there twice."""
    key = await live.key("misar")
    async with losing_first_answer(live.base) as base:
        client = misarmail.MisarMailClient(key, base_url=f"{base}/mail/v1")
        with pytest.raises(misarmail.MisarMailError, match="already exists") as raised:
            await asyncio.to_thread(client.contacts.create, {"email": "ada@example.com"})
        assert raised.value.status == 409
        assert (await asyncio.to_thread(client.contacts.list))["pagination"]["total"] == 1


@pytest.mark.parametrize(("dialect", "prefix"), [("misar", "/mail/v1"), ("topmail", "/api/v1")])
async def test_a_named_contact_whose_answer_got_lost(live: Live, dialect: str, prefix: str) -> None:
    """With an idempotency key the second request gets the answer that the first should have had."""
    headers = {**bearer(await live.key(dialect)), "Idempotency-Key": "one"}
    async with (
        losing_first_answer(live.base) as base,
        httpx.AsyncClient(base_url=base + prefix, headers=headers) as client,
    ):
        with pytest.raises(httpx.TransportError):
            await client.post("/contacts", json={"email": "ada@example.com"})
        answer = await client.post("/contacts", json={"email": "ada@example.com"})
    assert (answer.status_code, answer.json()["data"]["email"]) == (201, "ada@example.com")
    assert answer.headers["idempotency-replayed"] == "true"


async def test_limits_that_are_reached(database: Database) -> None:
    """The client asks again by itself, then raises; its error is no plan error. Topmail says when to ask."""
    async with database.fresh() as url, running(url, "--rate-limits", "1") as live:
        client = misarmail.MisarMailClient(await live.key("misar"), base_url=f"{live.base}/mail/v1")
        refused = await _refused(client)
        assert type(refused) is misarmail.MisarMailError
        assert refused.status == 429
        assert "Too many requests. Please slow down." in str(refused)
        headers = bearer(await live.key("topmail"))
        async with httpx.AsyncClient(base_url=f"{live.base}/api/v1", headers=headers) as topmail:
            answers = [await topmail.get("/contacts") for _ in range(4)]
        answer = next(one for one in answers if one.status_code == 429)
        assert answer.json()["error"]["code"] == "rate_limited"
        assert 1 <= int(answer.headers["retry-after"]) <= 120


async def _refused(client: misarmail.MisarMailClient) -> misarmail.MisarMailError:
    """Ask until a request is refused: a minute may end between two, so that one more passes."""
    for _ in range(5):
        try:
            await asyncio.to_thread(client.contacts.list)
        except misarmail.MisarMailError as error:
            return error
    raise AssertionError("five requests passed where one may")
