"""A snapshot is written as a new segment is, in both dialects: once for each request, within the limits."""

from typing import Any

import pytest

from support.servers.api_clients import DialectClient, dialect_clients
from support.servers.in_process import Server, bearer

SERVING = {"now": 1_790_000_000_000_000, "max_segments": 4}
DIALECTS = (0, 1)
EVERYONE = [{"field": "email", "operator": "is_not_empty"}]


async def _send(speaker: DialectClient, segment: str, name: str, key: str | None = None) -> tuple[int, Any]:
    """Ask for a snapshot; return the status and the body."""
    headers = {**bearer(speaker.key), **({} if key is None else {"Idempotency-Key": key})}
    path = f"{speaker.prefix}/segments/{segment}/snapshot"
    answer = await speaker.client.post(path, headers=headers, json={"name": name})
    return answer.status_code, answer.json()


async def _begin(server: Server, dialect: int) -> tuple[DialectClient, str]:
    """Return a client of a dialect, and a segment of one contact."""
    misar, topmail = await dialect_clients(server)
    segment = await misar.create("everyone", {"operator": "AND", "rules": EVERYONE})
    await misar.request("POST", "/contacts", {"email": "ada@example.com"}, 201)
    return (misar, topmail)[dialect], segment["id"]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_retry_is_the_same_snapshot(server: Server, dialect: int) -> None:
    """With an idempotency key at any time, without one for ten seconds."""
    speaker, segment = await _begin(server, dialect)
    status, first = await _send(speaker, segment, "kept", "once")
    assert status == 201
    server.now += 3_600_000_000
    assert await _send(speaker, segment, "kept", "once") == (201, first)
    _, second = await _send(speaker, segment, "kept")
    assert second["data"]["id"] != first["data"]["id"]
    assert await _send(speaker, segment, "kept") == (201, second)
    server.now += 11_000_000
    _, third = await _send(speaker, segment, "kept")
    assert third["data"]["id"] not in (first["data"]["id"], second["data"]["id"])
    assert len(await speaker.order()) == 4
    for one in (first, second, third):
        assert len(await speaker.members(one["data"]["id"])) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_full_workspace_takes_no_snapshot(server: Server, dialect: int) -> None:
    """The vendor's own words refuse it, and nothing is written."""
    speaker, segment = await _begin(server, dialect)
    for number in range(3):
        assert (await _send(speaker, segment, f"kept {number}"))[0] == 201
    status, refused = await _send(speaker, segment, "one too many")
    assert (status, refused.get("code") or refused["error"]["code"]) == (
        403,
        ("plan_limit_exceeded", "limit_reached")[dialect],
    )
    assert len(await speaker.order()) == 4
