"""Actors that write to one database, and a check of their facts in each process that serves it."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import httpx

from diglot.clock import system_clock
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.storage.connect import create_engine
from support.load_workers.readings import Reading, members, paged_members, read_workspace
from support.load_workers.worker import Actor, ServerClient
from support.membership.membership_checks import compare, compare_replay
from support.servers.process import ServerProcess

SECONDS = 60
# The number of segments whose pages are read one contact at a time in each check.
_WALKED = 4


@dataclass
class Crew:
    """Actors of one workspace; `ways` lead to each server, `cut` counts the outcomes of unanswered writes."""

    url: str
    rng: Random
    actors: Sequence[Actor]
    workspace: int
    keys: Mapping[str, str]
    ways: Sequence[ServerClient] = ()
    cut: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def connect(self, *bases: str) -> AsyncIterator[None]:
        """Point all actors at some servers, each over separate connections."""
        async with AsyncExitStack() as stack:

            async def ways() -> Sequence[ServerClient]:
                clients = [httpx.AsyncClient(base_url=base, timeout=SECONDS) for base in bases]
                return [
                    ServerClient(await stack.enter_async_context(client), self.keys) for client in clients
                ]

            self.ways = await ways()
            for actor in self.actors:
                actor.ways = await ways()
            yield

    async def check(self) -> None:
        """Check everything without writes, then retry the unanswered writes, and check again."""
        readings = await self._settle()
        again = [actor for actor in self.actors if actor.pending is not None]
        for actor in again:
            await actor.retry()
        await self._compare(await self._settle() if again else readings)

    async def _settle(self) -> Sequence[Reading]:
        """Read everything from each server, and compare it with the facts of all actors."""
        readings = [await read_workspace(way) for way in self.ways]
        for reading in readings:
            for actor in self.actors:
                done = actor.settle(*reading.owned_by(actor.name))
                if done is not None and reading is readings[0]:
                    self.cut[done] += 1
        return readings

    async def _compare(self, readings: Sequence[Reading]) -> None:
        """Compare memberships with a full evaluation and with their history, and each server with both."""
        engine = create_engine(self.url)
        await engine.open()
        try:
            result = await compare(engine, self.workspace, system_clock(), self.rng)
            await compare_replay(engine, self.workspace)
        finally:
            await engine.close()
        for way, reading in zip(self.ways, readings, strict=True):
            for id_ in reading.still.values():
                assert await members(way, id_) == result[id_]
                segment = (await way.get(f"/mail/v1/segments/{id_}"))["data"]
                assert segment["contact_count"] == len(result[id_])
            for id_ in self.rng.sample(list(reading.still.values()), min(_WALKED, len(reading.still))):
                limit = len(result[id_]) // self.rng.randint(1, 6) + 1
                assert await paged_members(way, id_, min(limit, 1000)) == result[id_]


async def crew(url: str, rng: Random, actors: Sequence[Actor]) -> Crew:
    """Return actors with a workspace of their own and a key of each dialect."""
    engine = create_engine(url)
    await engine.open()
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", system_clock()))
    await engine.close()
    keys = {dialect: await ServerProcess("", url).key(dialect) for dialect in ("misar", "topmail")}
    return Crew(url, rng, actors, workspace.number, keys)
