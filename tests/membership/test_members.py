"""Changes by hand to the members of a static segment: parallel ones, and in any order."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest_asyncio

from support.reporting import SEED
from support.servers.api_clients import Misar, dialect_clients
from support.servers.in_process import Server, serving

PARALLEL = 30
STEPS = 60
NOBODY = {"operator": "AND", "rules": []}


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own."""
    async with serving(url) as server:
        yield server


async def _people(misar: Misar, number: int) -> list[str]:
    """Create contacts and return their ids."""
    emails = [f"new{each}@example.com" for each in range(number)]
    await misar.request("POST", "/contacts/import", {"contacts": [{"email": email} for email in emails]})
    listed = await misar.request("GET", "/contacts?limit=100")
    return [item["id"] for item in listed["data"]]


async def _change(misar: Misar, segment: str, action: str, ids: list[str]) -> int:
    body = {"action": action, "contactIds": ids}
    answer = await misar.request("POST", f"/segments/{segment}/members", body)
    count: int = answer["data"]["contact_count"]
    return count


async def test_parallel_additions_are_counted_one_by_one(server: Server) -> None:
    """Each response of a parallel addition counts one more; no contact is lost or doubled."""
    misar, _ = await dialect_clients(server)
    segment = (await misar.create("by hand", NOBODY, segment_type="static"))["id"]
    people = await _people(misar, PARALLEL)
    counts = await asyncio.gather(*(_change(misar, segment, "add", [contact]) for contact in people))
    assert sorted(counts) == list(range(1, PARALLEL + 1))
    both = [("remove", contact) for contact in people[::2]] + [("add", item) for item in people]
    await asyncio.gather(*(_change(misar, segment, action, [one]) for action, one in both))
    members = await misar.members(segment)
    assert set(people[1::2]) <= set(members) <= set(people)
    assert {len(members)} == {*await misar.counts(segment)}


async def test_any_order_of_changes(server: Server, pytestconfig: Any) -> None:
    """After sets, additions and removals the members equal those of a Python set, newest first."""
    misar, _ = await dialect_clients(server)
    segment = (await misar.create("by hand", NOBODY, segment_type="static"))["id"]
    people = await _people(misar, 12)
    rng, expected = Random(pytestconfig.stash[SEED]), set[str]()
    for _ in range(STEPS):
        action = rng.choice(("set", "add", "add", "remove"))
        ids = rng.choices(people, k=rng.randint(0, 5))
        expected = {"set": set(ids), "add": expected | set(ids), "remove": expected - set(ids)}[action]
        assert await _change(misar, segment, action, ids) == len(expected)
        assert await misar.members(segment) == [contact for contact in people if contact in expected]
