"""The history over HTTP during writes: pages as of one entry show one state, the feed has no gaps."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from support.reporting import SEED
from support.servers.api_clients import DialectClient, Misar, Topmail, dialect_clients
from support.servers.in_process import Server

PEOPLE = 60
WRITES = 40
Json = Any


class Crowd:
    """Contacts that become vip, stop being vip, are created and are deleted."""

    def __init__(self, misar: Misar, rng: Random) -> None:
        self.misar = misar
        self.rng = rng
        self.ids: list[str] = []
        self.gone: set[str] = set()
        self.made = 0

    async def create(self, *tags: str) -> None:
        """Create a contact."""
        self.made += 1
        body = {"email": f"c{self.made}@example.com", "tags": list(tags)}
        self.ids.append((await self.misar.request("POST", "/contacts", body, 201))["data"]["id"])

    async def write(self) -> None:
        """Do a write that may change the vips."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.2:
            await self.create("vip")
        elif chance < 0.5:
            id_ = self.ids.pop(rng.randrange(len(self.ids)))
            self.gone.add(id_)
            await self.misar.request("DELETE", f"/contacts/{id_}")
        else:
            tags = rng.choice(([], ["vip"]))
            await self.misar.request("PATCH", f"/contacts/{rng.choice(self.ids)}", {"tags": tags})

    async def write_many(self) -> None:
        """Write a number of times."""
        for _ in range(WRITES):
            await self.write()


async def _crowd(server: Server, seed: int) -> tuple[Misar, Topmail, Crowd, str]:
    """Return two clients, contacts, and a segment of most of them."""
    misar, topmail = await dialect_clients(server)
    rule = {"field": "tags", "operator": "contains", "value": "vip"}
    segment = (await misar.create("vip", {"operator": "AND", "rules": [rule]}))["id"]
    crowd = Crowd(misar, Random(seed))
    for number in range(PEOPLE):
        await crowd.create(*(["vip"] if number % 7 else []))
    return misar, topmail, crowd, segment


async def _page(speaker: DialectClient, path: str) -> tuple[Json, int]:
    """Return the body of a page of members, and the last entry that it knows."""
    headers = {"Authorization": f"Bearer {speaker.key}"}
    answer = await speaker.client.get(speaker.prefix + path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json(), int(answer.headers["diglot-as-of"])


async def _by_ids(misar: Misar, segment: str, as_of: int) -> list[str]:
    results: list[str] = []
    page = pages = 1
    while page <= pages:
        body, told = await _page(misar, f"/segments/{segment}/members?page={page}&limit=3&as_of={as_of}")
        assert told == body["pagination"]["as_of"] == as_of
        results += body["data"]["contact_ids"]
        page, pages = page + 1, body["pagination"]["total_pages"]
    return results


async def _by_contacts(misar: Misar, segment: str, as_of: int) -> list[str]:
    results: list[str] = []
    page = pages = 1
    while page <= pages:
        query = f"segment_id={segment}&page={page}&limit=4&as_of={as_of}"
        body, told = await _page(misar, f"/contacts?{query}")
        assert told == body["pagination"]["as_of"] == as_of
        results += [item["id"] for item in body["data"]]
        page, pages = page + 1, body["pagination"]["totalPages"]
    return results


async def _by_offset(topmail: Topmail, segment: str, as_of: int) -> list[str]:
    results: list[str] = []
    offset, more = 0, True
    while more:
        query = f"offset={offset}&limit=3&as_of={as_of}"
        body, told = await _page(topmail, f"/segments/{segment}/contacts?{query}")
        assert told == body["pagination"]["as_of"] == as_of
        results += [item["id"] for item in body["data"]]
        offset, more = offset + 3, body["pagination"]["has_more"]
    return results


async def test_pages_as_of_one_entry_are_a_snapshot(server: Server, pytestconfig: Any) -> None:
    """The pages hold each member once, in order, unless it is deleted; concurrent writes add none."""
    misar, topmail, crowd, segment = await _crowd(server, pytestconfig.stash[SEED])
    _, as_of = await _page(misar, f"/segments/{segment}/members")
    before = await misar.members(segment)
    assert await _by_ids(misar, segment, as_of) == before
    walks: list[Coroutine[Any, Any, list[str]]] = [
        _by_ids(misar, segment, as_of),
        _by_contacts(misar, segment, as_of),
        _by_offset(topmail, segment, as_of),
    ]
    _, *found = await asyncio.gather(crowd.write_many(), *walks)
    assert crowd.gone
    for ids in found:
        met = set(ids)
        assert ids == [item for item in before if item in met]
        assert set(before) - met <= crowd.gone
    after = await _by_ids(misar, segment, as_of)
    assert after == [item for item in before if item not in crowd.gone]
    body, _ = await _page(misar, f"/segments/{segment}/members?as_of={as_of}")
    assert body["pagination"]["total"] == len(before)
    assert body["pagination"]["deleted"] == len(before) - len(after)


async def test_the_feed_has_no_gaps(server: Server, pytestconfig: Any) -> None:
    """A mirror that starts from a page and follows the feed during writes ends with the members."""
    misar, topmail, crowd, segment = await _crowd(server, pytestconfig.stash[SEED])
    body, after = await _page(misar, f"/segments/{segment}/members?limit=100")
    mirror = set(body["data"]["contact_ids"])
    paths: list[tuple[Callable[..., Any], str]] = [
        (misar.request, "/segments/changes"),
        (topmail.request, f"/segments/{segment}/changes"),
    ]
    writing = asyncio.create_task(crowd.write_many())
    done = False
    while not done:
        done = writing.done()
        ask, path = crowd.rng.choice(paths)
        answer = await ask("GET", f"{path}?after={after}&limit={crowd.rng.randint(1, 5)}")
        shown = answer["pagination"]
        numbers = [item["sequence"] for item in answer["data"]]
        assert numbers == list(range(after + 1, shown["through"] + 1))
        for item in answer["data"]:
            assert (item["change"] == "entered") != (item["contact_id"] in mirror)
            mirror ^= {item["contact_id"]}
        after = shown["through"]
        done = done and not shown["has_more"]
    await writing
    assert mirror == set(await misar.members(segment))
