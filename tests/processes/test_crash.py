"""Servers killed at random moments: answered writes are stored, others finished by a retry, nothing is stuck.

The whole proof is `pytest tests/processes/test_crash.py --kills 200`; the suite kills a few times.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from zoneinfo import ZoneInfo

import httpx
import pytest

from diglot.clock import system_clock
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.service.access.keys import Keys
from diglot.service.contacts.contacts import Contacts
from diglot.storage.connect import create_engine
from diglot.webhooks.deliveries import LEASE_DURATION
from support.engines import SQLITE, Database
from support.load_workers import contacts, groups, segments
from support.load_workers.actions import ACTIONS, act
from support.load_workers.pool import SECONDS, Crew, crew
from support.load_workers.worker import EVENT, Action, Actor
from support.outboxes import Outbox, deliver
from support.reporting import SEED, Tally
from support.servers.in_process import bearer
from support.servers.process import ServerProcess, running, transactions_over
from support.servers.webhook_receiver import Receiver, receiving

PEOPLE = 1_500
ROWS = 9_900
# Requests are counted too, because the tables that a crash may empty must not block later requests.
OPTIONS = ("--webhook-targets", "127.0.0.1", "--rate-limits", "1000000")
# The write in progress when the server is killed, after the writes it depends on; or a random one.
AIMS: Sequence[Sequence[Action]] = (
    *((), ()),
    (contacts.import_contacts,),
    (contacts.update_many,),
    (segments.create_segment, segments.update_segment),
    (contacts.delete_many,),
    (segments.create_segment, segments.refresh_segment),
    (groups.create_tag, groups.add_tag, groups.rename_tag),
)


@dataclass
class Proof:
    """A crew that writes while a server is killed; `big` is the actor whose writes take long."""

    crew: Crew
    big: Actor
    took: dict[str, float] = field(default_factory=dict)
    stopping: bool = False
    kills: int = 0

    async def kill(self, end: Callable[[], None]) -> None:
        """Write, and kill the server at a random moment."""
        aim = self.crew.rng.choice(AIMS)
        for action in aim[:-1]:
            await self.big.act(action)
        self.stopping = False
        tasks = [asyncio.create_task(self._write(actor, aim[-1:])) for actor in self.crew.actors]
        longest = max([self.took.get(item.__name__, 0.3) for item in aim[-1:]], default=0.7)
        await asyncio.sleep(self.crew.rng.uniform(0, 1.2 * longest))
        self.stopping = True
        end()
        self.kills += 1
        await transactions_over(self.crew.url)
        await asyncio.gather(*tasks)

    async def _write(self, actor: Actor, aim: Sequence[Action]) -> None:
        try:
            for action in aim if actor is self.big else ():
                await self._timed(action)
            while not self.stopping:
                await act(actor)
        except httpx.TransportError:
            assert self.stopping, "a server exited by itself"

    async def _timed(self, action: Action) -> None:
        began = time.monotonic()
        if await self.big.act(action):
            self.took[action.__name__] = time.monotonic() - began

    async def check(self) -> None:
        """Check that the database is consistent, and that every kind of write still works."""
        await self.crew.check()
        await asyncio.gather(
            *(self._everything(actor) for actor in self.crew.actors if actor is not self.big)
        )
        if len(self.big.identified("contact")) < PEOPLE // 2:
            await self._timed(contacts.import_contacts)
        await self.crew.check()

    async def _everything(self, actor: Actor) -> None:
        for action in ACTIONS:
            await actor.act(action)

    async def check_events(self, receiver: Receiver) -> None:
        """Check that the receiver got all expected events, once the remaining deliveries have been sent."""
        engine = create_engine(self.crew.url)
        await engine.open()
        caller = Caller(self.crew.workspace, ZoneInfo("UTC"), "key", frozenset())
        # The leases of the killed processes have expired.
        worker = Outbox(engine, caller, system_clock() + LEASE_DURATION).worker()
        await deliver(worker)
        worker.sender.close()
        await engine.close()
        facts = [fact for actor in self.crew.actors for fact in actor.facts.items()]
        told = {name: times for (kind, name), times in facts if kind == EVENT}
        emails = {got.headers["x-misar-delivery"]: got.email for got in receiver.requests}
        assert Counter(emails.values()) == Counter(told)


async def _proof(url: str, rng: Random) -> Proof:
    actors = [Actor(name, Random(rng.random()), 40, 1, 8) for name in ("ada", "bob", "cem")]
    big = Actor("zoe", Random(rng.random()), PEOPLE, PEOPLE // 2, PEOPLE)
    return Proof(await crew(url, rng, [*actors, big]), big)


async def test_kills(database: Database, pytestconfig: pytest.Config, tally: Tally) -> None:
    """Kill a server a given number of times: all its processes, or only the workers."""
    kills = pytestconfig.getoption("kills")
    rng = Random(f"{pytestconfig.stash[SEED]} {database.name}")
    async with database.fresh() as url, receiving() as receiver:
        proof = await _proof(url, rng)
        while proof.kills < kills:
            workers = rng.choice((1, 2))
            flags = (*OPTIONS, "--workers", str(workers))
            async with running(url, *flags, leaves=-signal.SIGKILL) as live, proof.crew.connect(live.base):
                if not proof.kills:
                    hook = {"url": receiver.url, "events": ["email.unsubscribed"]}
                    created = await proof.crew.ways[0].send("POST", "/mail/v1/webhooks", hook)
                    assert created.status_code == 201
                await proof.check()
                if workers > 1:
                    await proof.kill(partial(_kill_all, live.workers))
                    await live.wait_until_ready()
                    await proof.check()
                await proof.kill(live.kill)
        async with running(url, *OPTIONS) as live, proof.crew.connect(live.base):
            await proof.check()
        await proof.check_events(receiver)
        received = len(receiver.requests)
    tally("kills", database.name, proof.kills)
    tally("unanswered writes that were done", database.name, proof.crew.cut["done"])
    tally("unanswered writes that were not done", database.name, proof.crew.cut["undone"])
    tally("unanswered writes that were done in part", database.name, proof.crew.cut["in part"])
    tally("events that webhooks received meanwhile", database.name, received)


@pytest.mark.one_in(2, of="crashes")
async def test_a_killed_import_is_finished_by_a_retry(database: Database) -> None:
    """The retry reports all rows as the first run would have, and nobody is there twice."""
    rows = [{"email": f"{number % ROWS}@example.com"} for number in range(ROWS + 100)]

    def send(client: httpx.AsyncClient, key: str) -> Awaitable[httpx.Response]:
        headers = {**bearer(key), "Idempotency-Key": "import"}
        return client.post("/mail/v1/contacts/import", headers=headers, json={"contacts": rows})

    async def total(client: httpx.AsyncClient, key: str) -> int:
        answer = await client.get("/mail/v1/contacts", params={"limit": 1}, headers=bearer(key))
        number: int = answer.json()["pagination"]["total"]
        return number

    async with database.fresh() as url:
        key = await ServerProcess("", url).key("misar")
        async with running(url, leaves=-signal.SIGKILL) as live, _client(live.base) as client:
            first = asyncio.ensure_future(send(client, key))
            await _wait_for_contacts(url, key)
            live.kill()
            await asyncio.gather(first, return_exceptions=True)
        await transactions_over(url)
        async with running(url) as live, _client(live.base) as client:
            there = await total(client, key)
            assert 0 < there < ROWS, "the kill comes in the middle of the import"
            summaries = [(await send(client, key)).json()["summary"] for _ in range(2)]
            expected = {"imported": ROWS, "updated": 100, "skipped": 0, "errors": 0}
            assert summaries == [expected, expected]
            assert await total(client, key) == ROWS


async def _wait_for_contacts(url: str, key: str) -> None:
    """Wait until a part of an import is committed, which the busy server itself would tell too late."""
    engine = create_engine(url)
    await engine.open()
    try:
        caller = await Keys(engine).authenticate("misar", key)
        async with asyncio.timeout(SECONDS):
            while not (await Contacts(engine).list_page(caller, Window(0, 1))).total:  # noqa: ASYNC110 - a commit has no event
                await asyncio.sleep(0.001)
    finally:
        await engine.close()


def _client(base: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base, timeout=SECONDS)


@pytest.mark.one_in(2, of="crashes")
async def test_a_server_does_not_outlive_its_first_process() -> None:
    """Workers end with the process that started them: the port is free, and a new server uses it."""
    async with SQLITE.fresh() as url:
        async with running(url, "--workers", "2", leaves=-signal.SIGKILL) as live:
            workers = live.workers
            os.kill(live.pid, signal.SIGKILL)
            async with asyncio.timeout(SECONDS):
                while any(map(_lives, workers)):  # noqa: ASYNC110 - there is no event to wait for
                    await asyncio.sleep(0.01)
        async with running(url, "--port", live.base.rpartition(":")[2]) as again:
            assert again.base == live.base


@pytest.mark.one_in(2, of="crashes")
async def test_a_server_stops_while_a_worker_starts(capfd: pytest.CaptureFixture[str]) -> None:
    """A worker that is still starting stops on a signal, like any other."""
    async with SQLITE.fresh() as url, running(url, "--workers", "2") as live:
        before = set(live.workers)
        os.kill(min(before), signal.SIGKILL)
        async with asyncio.timeout(SECONDS):
            while set(live.workers) <= before:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0)
    assert "refused" not in capfd.readouterr().err


def _kill_all(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
