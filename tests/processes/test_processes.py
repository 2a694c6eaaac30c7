"""Several server processes on one database execute all operations in parallel, and never disagree.

The whole proof is `pytest tests/processes/test_processes.py --operations 20000`; the suite does a few.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any

import httpx
import pytest

from support.engines import Database
from support.load_workers.actions import act
from support.load_workers.pool import Crew, crew
from support.load_workers.worker import Actor, Way
from support.reporting import SEED, Tally
from support.servers.process import Live, running, transactions_over

ROUNDS = 3
EMAILS = [f"all-{number}@example.com" for number in range(12)]
VALUES = ("vip", "new", "\u00c4")
RULES = {"field": "tags", "operator": "contains"}


class Rivals:
    """Clients that write the same contacts and the same segments: the last write wins."""

    def __init__(self, others: Crew) -> None:
        self.crew = others
        self.rng = others.rng
        self.segment = ""

    async def begin(self) -> None:
        """Create the segment that all clients change."""
        body = {"name": "all-topmail-1", "conditions": self._conditions()}
        answer = await self.crew.ways[0].send("POST", "/api/v1/segments", body)
        self.segment = answer.json()["data"]["id"]

    def _conditions(self) -> Any:
        rules = [RULES | {"value": value} for value in self.rng.sample(VALUES, 2)]
        return {"match": self.rng.choice(("all", "any")), "rules": rules}

    async def act(self) -> None:
        """Do a write that other clients may do at the same time."""
        way, rng = self.rng.choice(self.crew.ways), self.rng
        rows = [{"email": email, "tags": rng.sample(VALUES, rng.randint(0, 3))} for email in EMAILS]
        segment = f"/segments/{self.segment}"
        writes: Sequence[tuple[str, str, Any, set[int]]] = (
            ("POST", "/mail/v1/contacts/import", {"contacts": rng.sample(rows, 5)}, {200}),
            ("PATCH", "/mail/v1/contacts", rng.choice(rows), {200, 404}),
            ("POST", "/api/v1/contacts", rng.choice(rows), {201, 409}),
            ("DELETE", f"/api/v1/contacts/{await self._somebody(way)}", None, {200, 404}),
            ("PATCH", f"/api/v1{segment}", {"conditions": self._conditions()}, {200}),
            ("POST", f"/mail/v1{segment}/refresh", None, {200}),
        )
        method, path, body, statuses = rng.choice(writes)
        answer = await way.send(method, path, body)
        assert answer.status_code in statuses, f"{method} {path}: {answer.status_code} {answer.text[:500]}"

    async def _somebody(self, way: Way) -> str:
        found = (await way.get(f"/api/v1/contacts?search={self.rng.choice(EMAILS)}"))["data"]
        return str(found[0]["id"]) if found else "nobody"

    async def look(self) -> None:
        """Check during writes that a total is the number of rows listed with it."""
        way = self.rng.choice(self.crew.ways)
        for one in (await way.get("/mail/v1/segments?limit=100"))["data"]["segments"]:
            answer = await way.send("GET", f"/api/v1/segments/{one['id']}/contacts?limit=1000")
            if answer.status_code != 404:
                page = answer.json()
                assert page["pagination"]["total"] == len(page["data"]), one["name"]


async def _round(all_of: Crew, rivals: Rivals, number: int, midway: Callable[[], None] | None = None) -> None:
    """Run a number of writes in parallel, and call a function in the middle of them."""
    done = count(1)

    async def each(act: Callable[[], Awaitable[object]], *, goes_on: bool) -> None:
        while (at := next(done)) <= number:
            if at == number // 2 and midway is not None:
                midway()
            try:
                await act()
            except httpx.TransportError:
                assert midway is not None, "a server ended by itself"
                if not goes_on:
                    return

    async def look() -> None:
        while not writing.done():
            try:
                await rivals.look()
            except httpx.TransportError:
                assert midway is not None, "a server ended by itself"

    actors = [each(partial(act, one), goes_on=False) for one in all_of.actors]
    writing = asyncio.gather(*actors, *(each(rivals.act, goes_on=True) for _ in range(3)))
    await asyncio.gather(writing, look(), look())


async def test_parallel_operations_on_three_processes(
    database: Database, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """Three processes of two servers write; then one server is killed, and the other goes on."""
    number = pytestconfig.getoption("operations") // (ROUNDS + 2)
    rng = Random(f"{pytestconfig.stash[SEED]} {database.name}")
    actors = [Actor(name, Random(rng.random()), 40, 1, 8) for name in ("ada", "bob", "cem", "dee")]
    async with database.fresh() as url, running(url) as stays:
        both = await crew(url, rng, actors)
        rivals = Rivals(both)
        async with running(url, "--workers", "2", leaves=-signal.SIGKILL) as goes:
            await _together(both, rivals, number, stays, goes)
        await transactions_over(url)
        async with both.at(stays.base):
            await both.check()
            await _round(both, rivals, number)
            await both.check()
    tally("writes of several processes", database.name, number * (ROUNDS + 2))


async def _together(both: Crew, rivals: Rivals, number: int, stays: Live, goes: Live) -> None:
    """Run the writes against both servers, and kill one of them at last."""

    def leave() -> None:
        both.ways = both.ways[:1]
        for one in both.actors:
            one.ways = one.ways[:1]
        goes.kill()

    async with both.at(stays.base, goes.base):
        await rivals.begin()
        for _ in range(ROUNDS):
            await _round(both, rivals, number)
            await both.check()
        await _round(both, rivals, number, leave)
