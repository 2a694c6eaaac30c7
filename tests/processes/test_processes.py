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

from support.engines import POOLED_TOO, Database
from support.load_workers.actions import act
from support.load_workers.pool import Crew, crew
from support.load_workers.worker import Actor, ServerClient
from support.reporting import SEED, Tally
from support.servers.process import ServerProcess, running, transactions_over

pytestmark = POOLED_TOO
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

    async def create_segment(self) -> None:
        """Create the segment that all clients change."""
        body = {"name": "all-topmail-1", "conditions": self._conditions()}
        answer = await self.crew.ways[0].send("POST", "/api/v1/segments", body)
        self.segment = answer.json()["data"]["id"]

    def _conditions(self) -> Any:
        rules = [RULES | {"value": value} for value in self.rng.sample(VALUES, 2)]
        return {"match": self.rng.choice(("all", "any")), "rules": rules}

    async def write(self) -> None:
        """Do a write that other clients may do at the same time."""
        way, rng = self.rng.choice(self.crew.ways), self.rng
        rows = [{"email": email, "tags": rng.sample(VALUES, rng.randint(0, 3))} for email in EMAILS]
        segment = f"/segments/{self.segment}"
        writes: Sequence[tuple[str, str, Any, set[int]]] = (
            ("POST", "/mail/v1/contacts/import", {"contacts": rng.sample(rows, 5)}, {200}),
            ("PATCH", "/mail/v1/contacts", rng.choice(rows), {200, 404}),
            ("POST", "/api/v1/contacts", rng.choice(rows), {201, 409}),
            ("DELETE", f"/api/v1/contacts/{await self._random_contact(way)}", None, {200, 404}),
            ("PATCH", f"/api/v1{segment}", {"conditions": self._conditions()}, {200}),
            ("POST", f"/mail/v1{segment}/refresh", None, {200}),
        )
        method, path, body, statuses = rng.choice(writes)
        answer = await way.send(method, path, body)
        assert answer.status_code in statuses, f"{method} {path}: {answer.status_code} {answer.text[:500]}"

    async def _random_contact(self, way: ServerClient) -> str:
        result = (await way.get(f"/api/v1/contacts?search={self.rng.choice(EMAILS)}"))["data"]
        return str(result[0]["id"]) if result else "nobody"

    async def check_totals(self) -> None:
        """Check during writes that a total is the number of rows listed with it."""
        way = self.rng.choice(self.crew.ways)
        for segment in (await way.get("/mail/v1/segments?limit=100"))["data"]["segments"]:
            answer = await way.send("GET", f"/api/v1/segments/{segment['id']}/contacts?limit=1000")
            if answer.status_code != 404:
                page = answer.json()
                assert page["pagination"]["total"] == len(page["data"]), segment["name"]


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
                assert midway is not None, "a server exited by itself"
                if not goes_on:
                    return

    async def look() -> None:
        while not writing.done():
            try:
                await rivals.check_totals()
            except httpx.TransportError:
                assert midway is not None, "a server exited by itself"

    actors = [each(partial(act, actor), goes_on=False) for actor in all_of.actors]
    writing = asyncio.gather(*actors, *(each(rivals.write, goes_on=True) for _ in range(3)))
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
            await _run_against_both(both, rivals, number, stays, goes)
        await transactions_over(url)
        async with both.connect(stays.base):
            await both.check()
            await _round(both, rivals, number)
            await both.check()
    tally("writes of several processes", database.name, number * (ROUNDS + 2))


async def _run_against_both(
    both: Crew, rivals: Rivals, number: int, stays: ServerProcess, goes: ServerProcess
) -> None:
    """Run the writes against both servers, and kill one of them at last."""

    def leave() -> None:
        both.ways = both.ways[:1]
        for actor in both.actors:
            actor.ways = actor.ways[:1]
        goes.kill()

    async with both.connect(stays.base, goes.base):
        await rivals.create_segment()
        for _ in range(ROUNDS):
            await _round(both, rivals, number)
            await both.check()
        await _round(both, rivals, number, leave)
