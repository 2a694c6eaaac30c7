"""Servers that are killed at any moment: what was answered is there, what was not is whole, nothing is stuck.

The whole proof is `pytest tests/test_crash.py --kills 200`; the suite kills a few times.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

from acting import contacts, groups, segments
from acting.actions import ACTIONS
from acting.actors import TOLD, Action, Actor, Way
from acting.readings import Reading, members, read
from conftest import SEED, Tally
from diglot.model.workspaces import Caller
from diglot.service.clock import system_clock
from diglot.service.deliveries import LEASE
from diglot.service.workspaces import get_or_create
from diglot.storage.engine import connect
from engines import SQLITE, Database
from live import Live, running
from memberships import compare
from outboxes import Outbox, deliver
from receivers import Receiver, receiving

PEOPLE = 1_500
SECONDS = 60
# Requests are counted too: the tables that a crash may empty must not stand in the way afterwards.
OPTIONS = ("--webhook-targets", "127.0.0.1", "--rate-limits", "1000000")
BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'diglot'"
)
# What is under way when the server is killed, after what it needs; or nothing in particular.
AIMS: Sequence[Sequence[Action]] = (
    *((), ()),
    (contacts.import_contacts,),
    (contacts.change_many,),
    (segments.make_segment, segments.edit_segment),
    (contacts.delete_many,),
    (segments.make_segment, segments.refresh_segment),
    (groups.make_tag, groups.put_tag, groups.rename_tag),
)


@dataclass
class Proof:
    """Actors who write while a server is killed, and what became of it."""

    url: str
    rng: Random
    workspace: int
    actors: Sequence[Actor]
    big: Actor
    keys: dict[str, str]
    took: dict[str, float] = field(default_factory=dict)
    cut: Counter[str] = field(default_factory=Counter)
    stopping: bool = False
    kills: int = 0

    @property
    def everybody(self) -> Sequence[Actor]:
        return (*self.actors, self.big)

    @property
    def way(self) -> Way:
        return self.rng.choice(self.big.ways)

    @asynccontextmanager
    async def at(self, base: str) -> AsyncIterator[None]:
        """Have the actors ask a server."""
        async with AsyncExitStack() as stack:
            for actor in self.everybody:
                client = httpx.AsyncClient(base_url=base, timeout=SECONDS)
                actor.ways = [Way(await stack.enter_async_context(client), self.keys)]
            yield

    async def kill(self, end: Callable[[], None]) -> None:
        """Write, and end the server at a random moment of it."""
        aim = self.rng.choice(AIMS)
        self.kills += 1
        for action in aim[:-1]:
            await self.big.act(action)
        self.stopping = False
        tasks = [asyncio.create_task(self._write(actor, ())) for actor in self.actors]
        tasks.append(asyncio.create_task(self._write(self.big, aim[-1:])))
        longest = max([self.took.get(one.__name__, 0.3) for one in aim[-1:]], default=0.7)
        await asyncio.sleep(self.rng.uniform(0, 1.2 * longest))
        self.stopping = True
        await _until_gone(self.url, end)
        await asyncio.gather(*tasks)

    async def _write(self, actor: Actor, first: Sequence[Action]) -> None:
        try:
            for action in first:
                await self._timed(actor, action)
            while not self.stopping:
                await self._timed(actor, actor.rng.choice(ACTIONS))
        except httpx.TransportError:
            assert self.stopping, "a server ended by itself"

    async def _timed(self, actor: Actor, action: Action) -> None:
        began = time.monotonic()
        if await actor.act(action) and actor is self.big:
            self.took[action.__name__] = time.monotonic() - began

    async def check(self) -> None:
        """Check that all is well, and that every kind of write goes on."""
        reading = await self._settled()
        again = [actor for actor in self.everybody if actor.pending is not None]
        for actor in again:
            await actor.again()
        await self._compare(await self._settled() if again else reading)
        await asyncio.gather(*(self._everything(actor) for actor in self.actors))
        if len(self.big.known("contact")) < PEOPLE // 2:
            await self._timed(self.big, contacts.import_contacts)
        await self._compare(await self._settled())

    async def _settled(self) -> Reading:
        reading = await read(self.way)
        for actor in self.everybody:
            done = actor.settle(*reading.of(actor.name))
            if done is not None:
                self.cut["done" if done else "undone"] += 1
        return reading

    async def _compare(self, reading: Reading) -> None:
        """Compare what is stored with a full evaluation, and what the server says with both."""
        engine = connect(self.url)
        await engine.open()
        try:
            found = await compare(engine, self.workspace, system_clock(), self.rng)
        finally:
            await engine.close()
        for id_ in reading.still.values():
            assert await members(self.way, id_) == found[id_]
            one = (await self.way.get(f"/mail/v1/segments/{id_}"))["data"]
            assert one["contact_count"] == len(found[id_])

    async def _everything(self, actor: Actor) -> None:
        for action in ACTIONS:
            await actor.act(action)

    async def heard(self, receiver: Receiver) -> None:
        """Check that the receiver has heard of all that it should, once what is left has been sent."""
        engine = connect(self.url)
        await engine.open()
        caller = Caller(self.workspace, ZoneInfo("UTC"), "key", frozenset())
        # The leases of those who were killed are over.
        outbox = Outbox(engine, caller, system_clock() + LEASE)
        worker = outbox.worker()
        await deliver(worker)
        worker.sender.close()
        await engine.close()
        told = {fact[1]: n for one in self.everybody for fact, n in one.facts.items() if fact[0] == TOLD}
        emails = {got.headers["x-misar-delivery"]: got.email for got in receiver.got}
        assert Counter(emails.values()) == Counter(told)


async def _until_gone(url: str, end: Callable[[], None]) -> None:
    """End a server, and wait until its connections have ended on the database's side too."""
    if not url.startswith("postgresql"):
        return end()
    connection: Any = await asyncpg.connect(url)
    try:
        end()
        pids = {row[0] for row in await connection.fetch(BACKENDS)}
        async with asyncio.timeout(SECONDS):
            while pids & {row[0] for row in await connection.fetch(BACKENDS)}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
    return None


async def _proof(url: str, rng: Random) -> Proof:
    engine = connect(url)
    await engine.open()
    made = await engine.write(lambda tx: get_or_create(tx, "one", "UTC", system_clock()))
    await engine.close()
    keys = {dialect: await Live("", url).key(dialect) for dialect in ("misar", "topmail")}
    actors = [Actor(name, Random(rng.random()), 40, 1, 8) for name in ("ada", "bob", "cem")]
    big = Actor("zoe", Random(rng.random()), PEOPLE, PEOPLE // 2, PEOPLE)
    return Proof(url, rng, made.number, actors, big, keys)


async def test_kills(database: Database, pytestconfig: pytest.Config, tally: Tally) -> None:
    """A server with all its processes and a worker process alone are killed in turn, as often as asked."""
    kills = pytestconfig.getoption("kills")
    rng = Random(f"{pytestconfig.stash[SEED]} {database.name}")
    async with database.fresh() as url, receiving() as receiver:
        proof = await _proof(url, rng)
        while proof.kills < kills:
            async with running(url, *OPTIONS, leaves=-signal.SIGKILL) as live, proof.at(live.base):
                if not proof.kills:
                    hook = {"url": receiver.url, "events": ["email.unsubscribed"]}
                    assert (await proof.way.send("POST", "/mail/v1/webhooks", hook)).status_code == 201
                await proof.check()
                if rng.random() < 0.5:
                    (worker,) = live.workers
                    await proof.kill(lambda pid=worker: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
                    await live.answers()
                    await proof.check()
                await proof.kill(live.kill)
        async with running(url, *OPTIONS) as live, proof.at(live.base):
            await proof.check()
        await proof.heard(receiver)
        told = len(receiver.got)
    tally("kills", database.name, proof.kills)
    tally("writes without an answer that were done", database.name, proof.cut["done"])
    tally("writes without an answer that were not", database.name, proof.cut["undone"])
    tally("events that webhooks heard meanwhile", database.name, told)


async def test_a_server_does_not_outlive_its_first_process() -> None:
    """Workers end with the process that started them: the port is free, and a new server has it."""
    async with SQLITE.fresh() as url:
        async with running(url, "--workers", "2", leaves=-signal.SIGKILL) as live:
            workers = live.workers
            os.kill(live.pid, signal.SIGKILL)
            async with asyncio.timeout(SECONDS):
                while any(map(_lives, workers)):  # noqa: ASYNC110 - nobody tells of it
                    await asyncio.sleep(0.01)
        async with running(url, "--port", live.base.rpartition(":")[2]) as again:
            assert again.base == live.base


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
