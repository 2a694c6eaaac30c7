"""Misar's list of contacts compared with a list comprehension: each filter with each other, in each order."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from diglot.conditions import text
from diglot.conditions.fields import STATUSES
from support.engines import Database
from support.reporting import SEED, Tally
from support.servers.api_clients import Misar, dialect_clients
from support.servers.in_process import serving

NOW = 1_772_366_400_000_000
CONTACTS = 60
LIMIT = 7
NAMES = ("Ada", "ada", "Ábel", "A\u0301bel", "Zoë", "Çağ", "Straße", "STRASSE", "", "_%", "\ufb01n")
WORDS = (None, "example", "a", "ÁBEL", "strasse x", "_", "fi 1")
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "engagement": lambda one: one["engagement_score"],
    "created_at": lambda one: one["created_at"],
    "updated_at": lambda one: one["updated_at"],
    "email": lambda one: one["email"].lower(),
}


def _contact(rng: Random, number: int) -> dict[str, Any]:
    name = rng.choice(("ada", "Zed", "ábel", "\U0001f600", "\uff5e", "ﬁn"))
    created = {
        "email": f"{name}{rng.randrange(10)}.{number}@example.com",
        "first_name": rng.choice(NAMES),
        "last_name": rng.choice((None, *NAMES)),
        "status": rng.choice(STATUSES),
        "created_at": f"2026-01-0{rng.randint(1, 4)}",
        "tags": rng.sample(("vip", "new"), rng.randrange(3)),
    }
    return created | ({"engagement_score": rng.choice((0, 50, 50.5, 100))} if rng.random() < 0.7 else {})


@dataclass
class Crowd:
    """A workspace of Misar's with its contacts, newest first, and the member ids of its segments."""

    misar: Misar
    contacts: list[dict[str, Any]] = field(default_factory=list)
    segments: dict[str | None, set[str]] = field(default_factory=dict)

    async def walk(self, query: str) -> tuple[list[str], int]:
        """Return the ids of all pages, and the one total that all pages show."""
        results: list[str] = []
        totals: set[int] = set()
        for page in itertools.count(1):
            answer = await self.misar.request("GET", f"/contacts?limit={LIMIT}&page={page}{query}")
            results += [item["id"] for item in answer["data"]]
            totals.add(answer["pagination"]["total"])
            if page >= answer["pagination"]["total_pages"]:
                break
        (total,) = totals
        return results, total


@pytest_asyncio.fixture
async def crowd(url: str, pytestconfig: pytest.Config) -> AsyncIterator[Crowd]:
    """Lend a workspace with random contacts, imported a few at a time while the clock advances."""
    rng = Random(pytestconfig.stash[SEED])
    async with serving(url, now=NOW) as server:
        crowd = Crowd((await dialect_clients(server))[0])
        created = [_contact(rng, number) for number in range(CONTACTS)]
        for start in range(0, CONTACTS, 9):
            server.now += 1_000_000
            done = await crowd.misar.request(
                "POST", "/contacts/import", {"contacts": created[start : start + 9]}
            )
            assert done["errors"] == []
        for kind, rule in itertools.product(("dynamic", "static"), (("tags", "vip"), ("tags", "none"))):
            vip = {"rules": [{"field": rule[0], "operator": "contains", "value": rule[1]}]}
            await _segment(crowd, kind, vip)
        await _segment(crowd, "dynamic", {"rules": []})
        # The members of a static segment stay when they no longer match.
        changed = rng.sample(await _everybody(crowd), 20)
        update = {"ids": [item["id"] for item in changed], "update": {"tags": ["vip"]}}
        others = sum(item["tags"] != ["vip"] for item in changed)
        assert (await crowd.misar.request("PATCH", "/contacts/bulk", update))["updated"] == others
        crowd.contacts = await _everybody(crowd)
        crowd.segments = {id_: set(await crowd.misar.members(id_)) for id_ in crowd.segments if id_}
        crowd.segments[None] = {contact["id"] for contact in crowd.contacts}
        yield crowd


async def _segment(crowd: Crowd, kind: str, condition: dict[str, Any]) -> None:
    segment = await crowd.misar.create(kind, condition, segment_type=kind)
    crowd.segments[segment["id"]] = set()


async def _everybody(crowd: Crowd) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = (await crowd.misar.request("GET", "/contacts?limit=100"))["data"]
    return result


def _expected(crowd: Crowd, segment: str | None, status: str | None, words: str | None) -> list[Any]:
    def wanted(contact: dict[str, Any]) -> bool:
        parts = [text.fold_case(contact[name] or "") for name in ("email", "first_name", "last_name")]
        result = all(any(text.fold_case(word) in part for part in parts) for word in (words or "").split())
        return result and status in (None, contact["status"]) and contact["id"] in crowd.segments[segment]

    return [contact for contact in crowd.contacts if wanted(contact)]


def _in_order(contacts: list[dict[str, Any]], sort: str | None) -> list[str]:
    if sort is not None:
        field_name, _, way = sort.rpartition("_")
        key = SORTS[field_name]
        known = [item for item in contacts if key(item) is not None]
        known.sort(key=key, reverse=way == "desc")
        contacts = known + [item for item in contacts if key(item) is None]
    return [item["id"] for item in contacts]


async def test_every_filter_with_every_other(
    crowd: Crowd, database: Database, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """The pages together hold each matching contact once, in order, and the total is their number."""
    sorts = (None, *(f"{name}_{way}" for name in SORTS for way in ("asc", "desc")))
    asked = list(itertools.product(crowd.segments, (None, "subscribed", "bounced"), WORDS, sorts))
    rng = Random(pytestconfig.stash[SEED])
    for segment, status, words, sort in rng.sample(asked, 150):
        given = {"segment_id": segment, "status": status, "search": words, "sort": sort}
        query = "".join(f"&{key}={value}" for key, value in given.items() if value is not None)
        expected = _in_order(_expected(crowd, segment, status, words), sort)
        assert await crowd.walk(query) == (expected, len(expected)), query
    tally("lists of contacts compared with Python's", database.name, 150)


async def test_parallel_deletions_count_each_contact_once(url: str) -> None:
    """Parallel deletions of overlapping contacts count each contact once, and leave the right count."""
    async with serving(url, now=NOW) as server:
        misar = (await dialect_clients(server))[0]
        people = [{"email": f"a{number}@example.com"} for number in range(40)]
        await misar.request("POST", "/contacts/import", {"contacts": people})
        everybody = (await misar.request("GET", "/contacts?limit=100"))["data"]
        ids = [contact["id"] for contact in everybody]
        parts = [ids[start : start + 12] for start in range(0, 30, 3)]
        done = await asyncio.gather(
            *(misar.request("DELETE", "/contacts/bulk", {"ids": part}) for part in parts),
            *(_update(misar, part) for part in parts),
        )
        gone = set(itertools.chain(*parts))
        assert sum(answer.get("deleted", 0) for answer in done) == len(gone)
        left = await misar.request("GET", "/contacts?limit=100")
        assert left["pagination"]["total"] == len(left["data"]) == 40 - len(gone)


async def _update(misar: Misar, ids: list[str]) -> dict[str, Any]:
    answer: dict[str, Any] = await misar.request(
        "PATCH", "/contacts/bulk", {"ids": ids, "update": {"tags": ["x"]}}
    )
    # Another update may have changed some of them before.
    assert answer["updated"] + len(answer["not_found"]) <= len(ids)
    return answer
