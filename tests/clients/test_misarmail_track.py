"""The vendor's client from PyPI records events and purchases, which change a segment immediately."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

import misarmail  # type: ignore[import-untyped]
import pytest

from support.servers.process import ServerProcess

CRITERIA = {"operator": "AND", "rules": [{"field": "total_orders", "operator": "greater_than", "value": 0}]}
ITEMS = [{"name": "Pro annual", "quantity": 1, "price_cents": 9900}]


async def _awaited(function: Callable[..., Any], *arguments: Any) -> Any:
    result = function(*arguments)
    return await result if isawaitable(result) else result


@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
async def test_events_change_a_segment(live: ServerProcess, prefix: str) -> None:
    """An open, a click, an order sent three times, and an order of an unknown contact."""
    client = misarmail.MisarMailClient(await live.key("misar"), base_url=f"{live.base}/mail/v1")
    event, purchase = (getattr(client.track, f"{prefix}{name}") for name in ("event", "purchase"))
    created = client.contacts.create({"email": "customer@example.com"})["data"]
    body = {"name": "Buyers", "segment_type": "dynamic", "filter_criteria": CRITERIA}
    segment = client._request("POST", "/segments", body)["data"]
    for name in ("email.opened", "email.clicked", "viewed_pricing"):
        told = {"email": "customer@example.com", "event_name": name, "event_data": {"plan": "pro"}}
        answer = await _awaited(event, {**told, "campaign_id": "camp_1"})
        assert answer["success"] is True
        assert isinstance(answer["event_id"], str)
    assert client.segments.members(segment["id"])["data"]["contact_ids"] == []
    order = {"email": "customer@example.com", "order_id": "ord-1041", "total_cents": 9900, "items": ITEMS}
    answers = [await _awaited(purchase, order) for _ in range(3)]
    assert answers == answers[:1] * 3
    attribution = answers[0]["attribution"]
    assert (attribution["source"], attribution["campaign_id"]) == ("campaign", "camp_1")
    assert client.segments.members(segment["id"])["data"]["contact_ids"] == [created["id"]]
    result = client.contacts.get(created["id"])["data"]
    totals = {name: result[name] for name in result if name.startswith("total_")}
    assert totals == {"total_opens": 1, "total_clicks": 1, "total_orders": 1, "total_spent": 99}
    with pytest.raises(misarmail.MisarMailError, match="Contact not found") as raised:
        await _awaited(purchase, {"email": "nobody@example.com", "order_id": "x", "total_cents": 1})
    assert raised.value.status == 404
