"""The vendor's client from PyPI registers for segment events and verifies what two processes send."""

import asyncio
from typing import Any

import misarmail  # type: ignore[import-untyped]
from misarmail import verify_webhook_signature

from support.engines import Database
from support.reporting import Tally
from support.servers.process import running
from support.servers.webhook_receiver import receiving

FEW, MANY = 200, 1_200
RULE = {"field": "source", "operator": "equals", "value": "shop"}
BODY = {
    "name": "Shoppers",
    "segment_type": "dynamic",
    "filter_criteria": {"operator": "AND", "rules": [RULE]},
}


async def test_segment_events_arrive_and_verify(database: Database, tally: Tally) -> None:
    """Single changes arrive in order and without a gap, many as one event; all signatures verify."""
    targets = ("--workers", "2", "--webhook-targets", "127.0.0.1")
    async with database.fresh() as url, running(url, *targets) as live, receiving() as receiver:
        client = misarmail.MisarMailClient(await live.key("misar"), base_url=f"{live.base}/mail/v1")

        async def ask(method: str, path: str, body: Any = None) -> Any:
            return await asyncio.to_thread(client._request, method, path, body)

        async def add(first: int, number: int) -> list[str]:
            emails = [f"p{n}@example.com" for n in range(first, first + number)]
            people = [{"email": email, "source": "shop"} for email in emails]
            await asyncio.to_thread(client.contacts.import_contacts, {"contacts": people})
            return emails

        events = ["segment.entered", "segment.left"]
        created = (await ask("POST", "/webhooks", {"url": receiver.url, "events": events}))["data"]
        segment = (await ask("POST", "/segments", BODY))["data"]
        emails = await add(0, FEW)
        await receiver.wait(FEW)
        data = [request.json["data"] for request in receiver.requests]
        assert [item["contact"]["email"] for item in data] == emails
        assert [item["sequence"] for item in data] == list(range(1, FEW + 1))
        assert {item["cause"] for item in data} == {"contact created"}
        assert {item["segment"]["id"] for item in data} == {segment["id"]}
        await add(FEW, MANY)
        # An import is written in parts, and each part is one event.
        heard, last = FEW, FEW
        while last < FEW + MANY:
            await receiver.wait(heard + 1)
            many = receiver.requests[heard].json
            assert many["type"] == "segment.members_changed"
            first, heard = last + 1, heard + 1
            last = many["data"]["last_sequence"]
            numbers = [many["data"][key] for key in ("entered", "left", "first_sequence")]
            assert numbers == [last - first + 1, 0, first]
        assert heard < FEW + MANY
        await ask("DELETE", f"/contacts/{data[0]['contact']['id']}")
        await receiver.wait(heard + 1)
        left = receiver.requests[-1].json
        assert (left["type"], left["data"]["contact"]["email"]) == ("segment.left", emails[0])
        assert (left["data"]["sequence"], left["data"]["cause"]) == (FEW + MANY + 1, "contact deleted")
        for got in receiver.requests:
            signature, timestamp = got.headers["x-misar-signature"], got.headers["x-misar-timestamp"]
            assert verify_webhook_signature(got.body, signature, timestamp, created["secret"])
        shown = (await ask("GET", f"/webhooks/{created['id']}/events"))["data"]
        assert [item["type"] for item in shown[:2]] == ["segment.left", "segment.members_changed"]
    tally("events of segments that the vendor's client verified", database.name, heard + 1)
