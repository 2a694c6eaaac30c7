"""Topmail's triggers for segments and dynamic lists over plain HTTP, from a server process."""

import hashlib
import hmac
from typing import Any

import httpx

from support.engines import Database
from support.reporting import Tally
from support.servers.in_process import bearer
from support.servers.process import running
from support.servers.webhook_receiver import Receiver, receiving

RULE = {"field": "first_name", "operator": "equals", "value": "Ada"}
CONDITIONS = {"match": "all", "rules": [RULE]}
EVENTS = ("segment.entered", "segment.left", "list.member_added", "list.member_removed")
NUMBER = 50


async def _request(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await client.request(method, path, json=body)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()["data"]


async def test_triggers_of_a_segment_and_a_list(database: Database, tally: Tally) -> None:
    """A trigger receives only its event, in order; the segment and the list report the same contacts."""
    targets = ("--workers", "2", "--webhook-targets", "127.0.0.1")
    async with database.fresh() as url, running(url, *targets) as live, receiving() as receiver:
        headers = bearer(await live.key("topmail"))
        async with httpx.AsyncClient(base_url=f"{live.base}/api/v1", headers=headers) as client:
            secrets = {}
            for event in EVENTS:
                trigger = {"targetUrl": f"{receiver.url}/{event}", "event": event}
                secrets[event] = (await _request(client, "POST", "/webhooks/triggers", trigger))["secret"]
            segment = await _request(client, "POST", "/segments", {"name": "Adas", "conditions": CONDITIONS})
            body = {"name": "All Adas", "type": "dynamic", "conditions": CONDITIONS}
            dynamic = await _request(client, "POST", "/lists", body)
            created = [
                await _request(
                    client, "POST", "/contacts", {"email": f"p{n}@example.com", "first_name": "Ada"}
                )
                for n in range(NUMBER)
            ]
            for one in created[:3]:
                await _request(client, "PATCH", f"/contacts/{one['id']}", {"first_name": "Bob"})
            await _request(client, "DELETE", f"/contacts/{created[3]['id']}")
            await receiver.wait(2 * NUMBER + 8)
        for event, got in ((event, _of(receiver, event)) for event in EVENTS):
            gone = created[:4] if event in ("segment.left", "list.member_removed") else created
            key, place = ("segment", segment) if event.startswith("segment") else ("list", dynamic)
            assert [item["contact"]["email"] for item in got] == [entry["email"] for entry in gone]
            assert {item[key]["id"] for item in got} == {place["id"]}
            numbers = [item["sequence"] for item in got]
            assert numbers == sorted(set(numbers))
            assert got[-1]["cause"] == ("contact created" if len(got) == NUMBER else "contact deleted")
        received = sorted(request.json["data"]["sequence"] for request in receiver.requests)
        assert received == list(range(1, 2 * NUMBER + 9)), "every sequence number arrives once"
        for one in receiver.requests:
            secret = secrets[one.headers["x-topmail-event"]].encode()
            signature = hmac.new(secret, one.body, hashlib.sha256).hexdigest()
            assert one.headers["x-topmail-signature"] == signature
    tally("events of segments and dynamic lists that arrived", database.name, 2 * NUMBER + 8)


def _of(receiver: Receiver, event: str) -> list[Any]:
    results = [request.json for request in receiver.requests if request.path.endswith(f"/{event}")]
    assert {item["event"] for item in results} == {event}
    return [item["data"] for item in results]
