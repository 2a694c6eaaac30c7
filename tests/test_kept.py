"""Memberships that are kept current: after any writes they are what a full evaluation finds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

import canonical
import generate as drawn
from conftest import SEED
from diglot.errors import DiglotError
from diglot.model.contacts import Change
from diglot.model.pages import Window
from diglot.model.segments import Condition, Source
from diglot.model.workspaces import Caller
from diglot.service.contacts import Contacts
from diglot.service.segments import NewSegment, SegmentChange, Segments
from diglot.service.workspaces import Workspaces, get_or_create
from diglot.storage import memberships, workspaces
from diglot.storage.engine import Engine, Inside, Transaction, connect
from diglot.storage.overlay import Entry, Overlay
from memberships import EVERYBODY, compare

NOW = 1_772_366_400_000_000
PLANS = ("pro", "free", 5, "5", True, None, ["pro", "x"], 2**60)
TAGS = ("vip", "VIP", "Ä", "new")


@dataclass
class World:
    """Two processes on one database: each has an engine and services of its own."""

    engines: Sequence[Engine]
    caller: Caller
    rng: Random
    ids: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    made: int = 0

    @property
    def engine(self) -> Engine:
        return self.rng.choice(self.engines)

    def contacts(self) -> Contacts:
        return Contacts(self.engine, lambda: NOW + self.made)

    def change(self) -> Change:
        """Return a change of a few fields."""
        rng = self.rng
        values: dict[str, Any] = {}
        if rng.random() < 0.4:
            values["tags"] = rng.sample(TAGS, rng.randint(0, 3))
        if rng.random() < 0.3:
            values["engagement_score"] = rng.choice((None, 0.0, 50.0, 99.5))
        if rng.random() < 0.3:
            values["first_name"] = rng.choice((None, "Ada", "", "ÄDA", "bo"))
        if rng.random() < 0.3:
            values["status"] = rng.choice(("subscribed", "unsubscribed", "bounced"))
        attributes = {"plan": rng.choice(PLANS)} if rng.random() < 0.4 else {}
        return Change(values, attributes)

    async def step(self) -> None:
        """Do something that may move memberships."""
        self.made += 1
        action = self.rng.choice((self._create, self._update, self._update, self._update, self._delete))
        if self.rng.random() < 0.1:
            action = self.rng.choice((self._import, self._segment, self._edit, self._drop))
        await action()

    async def _create(self) -> None:
        self.made += 1
        change = self.change()
        change.values["email"] = f"c{self.made}@example.com"
        self.ids.append((await self.contacts().create(self.caller, change)).id)

    async def _update(self) -> None:
        if self.ids:
            await self.contacts().change(self.caller, self.rng.choice(self.ids), self.change())

    async def _delete(self) -> None:
        if len(self.ids) > 5:
            await self.contacts().delete(self.caller, self.ids.pop(self.rng.randrange(len(self.ids))))

    async def _import(self) -> None:
        changes = [self.change() for _ in range(self.rng.randint(1, 30))]
        for change in changes:
            change.values["email"] = f"i{self.rng.randint(0, 40)}@example.com"
        await self.contacts().import_all(self.caller, changes)

    async def _segment(self) -> None:
        new = NewSegment(f"s{self.made}", self.condition())
        made = await Segments(self.engine, lambda: NOW).create_counted(self.caller, new)
        self.segments.append(made.segment.id)

    async def _edit(self) -> None:
        if self.segments:
            change = SegmentChange(condition=self.condition())
            id_ = self.rng.choice(self.segments)
            await Segments(self.engine, lambda: NOW).change_counted(self.caller, id_, change)

    async def _drop(self) -> None:
        if len(self.segments) > 4:
            id_ = self.segments.pop(self.rng.randrange(len(self.segments)))
            await Segments(self.engine, lambda: NOW).delete(self.caller, id_)

    def condition(self) -> Condition:
        """Return a condition that time does not move, most often one about what changes here."""
        rng = self.rng
        written = rng.choice(
            (
                {"field": "attributes.plan", "operator": "equals", "operand": rng.choice(("pro", 5, True))},
                {"field": "tags", "operator": rng.choice(("contains", "not_contains")), "operand": "vip"},
                {"field": "subscribed", "operator": "equals", "operand": True},
                {"field": "engagement_score", "operator": "gte", "operand": 50},
                {"not": {"field": "first_name", "operator": "contains", "operand": "ä"}},
                {"field": "attributes.plan", "operator": "is_empty"},
                drawn.condition(rng),
            )
        )
        node = canonical.read(written, "UTC")
        return Condition(node, Source("canonical", "{}"))

    async def compare(self, engine: Engine) -> None:
        """Compare every membership with a full evaluation, in one process."""
        await compare(engine, self.caller.workspace, NOW, self.rng)

    async def check(self) -> None:
        """Compare every membership, its count and its pages with a full evaluation, in both processes."""
        for engine in self.engines:
            await self.compare(engine)
        for id_ in self.segments:
            counts = [
                (await Segments(one, lambda: NOW).counted(self.caller, id_)).count for one in self.engines
            ]
            ids = (await Segments(self.engine, lambda: NOW).member_ids(self.caller, id_, EVERYBODY))[1]
            assert {*counts, ids.total, len(ids.items)} == {counts[0]}


@pytest_asyncio.fixture
async def world(
    url: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Lend two engines on one database, whose log is folded often and whose chunks are small in number."""
    monkeypatch.setattr(memberships, "FOLD_AT", 25)
    engines = [connect(url), connect(url)]
    for engine in engines:
        await engine.open()
    made = await engines[0].write(lambda tx: get_or_create(tx, "one", "UTC", NOW))
    caller = Caller(made.number, ZoneInfo("UTC"), "key", frozenset())
    yield World(engines, caller, Random(pytestconfig.stash[SEED]))
    for engine in engines:
        await engine.close()


async def test_random_writes(world: World) -> None:
    """Contacts come, change and go, segments too, in two processes; now and then everything is compared."""
    for _ in range(6):
        await world._segment()
    for _ in range(300):
        await world.step()
        if world.rng.random() < 0.1:
            await world.check()
    await world.check()


async def test_a_write_that_is_undone_moves_nothing(world: World) -> None:
    """What a transaction logged, folded or evaluated is gone with it, and nobody remembers it."""
    for _ in range(4):
        await world._segment()
    for _ in range(40):
        await world._create()
    await world.check()

    class Undone(DiglotError):
        pass

    for number in range(6):

        async def work(transaction: Transaction, number: int = number) -> None:
            inside = Contacts(Inside(transaction), lambda: NOW)
            for id_ in world.ids[: 5 * number]:
                await inside.change(world.caller, id_, world.change())
            if number % 2:
                new = NewSegment("undone", world.condition())
                await Segments(Inside(transaction), lambda: NOW).create_counted(world.caller, new)
                await inside.change(world.caller, world.ids[0], world.change())
            raise Undone

        with pytest.raises(Undone):
            await world.engine.write(work)
        await world.check()
        await world._update()
        await world.check()


async def test_a_change_of_zone_moves_memberships(world: World) -> None:
    """Days begin elsewhere: what depends on them is evaluated again."""
    contacts = world.contacts()
    for hour in (1, 3, 23):
        stored = Change({"email": f"h{hour}@example.com"}, {"at": f"2026-02-01T{hour:02}:00:00"})
        await contacts.create(world.caller, stored)
        moved = Change({"email": f"z{hour}@example.com"}, {"at": f"2026-02-01T{hour:02}:00:00Z"})
        await contacts.create(world.caller, moved)
    written = {"field": "attributes.at", "operator": "before", "operand": "2026-02-01"}
    condition = Condition(canonical.read(written, "UTC"), Source("canonical", "{}"))
    new = NewSegment("before", condition)
    made = await Segments(world.engine, lambda: NOW).create_counted(world.caller, new)
    assert made.count == 0
    await Workspaces(world.engine).set_zone("one", "America/New_York")
    assert (await Segments(world.engine, lambda: NOW).counted(world.caller, made.segment.id)).count == 2
    await world.check()


async def test_writes_and_reads_at_once(world: World) -> None:
    """While contacts change in both processes, every read finds a count that is the length of its list."""
    for _ in range(4):
        await world._segment()
    for _ in range(30):
        await world._create()
    done = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not done.is_set():
            await world.compare(world.engine)
            reads += 1
        return reads

    async def write() -> None:
        for _ in range(40):
            await world._update()

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(write(), write())
    done.set()
    assert all(reads > 0 for reads in await asyncio.gather(*readers))
    await world.check()


async def test_members_in_several_chunks(world: World) -> None:
    """Windows go from chunk to chunk, the newest first, over what is stored and what is only logged."""
    await world.engines[0].write(
        lambda tx: workspaces.lock(tx, world.caller.workspace, contacts=65_530, moves=False)
    )
    contacts = world.contacts()
    condition = Condition(
        canonical.read({"field": "email", "operator": "is_set"}, "UTC"), Source("canonical", "{}")
    )
    made = await Segments(world.engine, lambda: NOW).create_counted(
        world.caller, NewSegment("all", condition)
    )
    ids = [
        (await contacts.create(world.caller, Change({"email": f"k{n}@example.com"}))).id for n in range(40)
    ]
    for limit in (1, 7, 40):
        for engine in world.engines:
            found: list[str] = []
            for offset in range(0, 42, limit):
                page = await Segments(engine, lambda: NOW).members(
                    world.caller, made.segment.id, Window(offset, limit)
                )
                found += [one.id for one in page.items]
            assert found == ids[::-1]


def test_an_overlay_keeps_the_net_change() -> None:
    """Whoever enters and leaves again is in neither list; an older overlay stays what it was."""
    first = Overlay(0, 0).then([Entry(1, 5, "[1,2]", "[]"), Entry(2, 6, "[1]", "[3]")], 2)
    second = first.then(
        [Entry(3, 5, "[]", "[1]"), Entry(4, 6, "[3]", "[]"), Entry(5, 70_000, "[1]", "[]")], 5
    )
    assert [sorted(one) for one in first.change(1)] == [[5, 6], []]
    assert [sorted(one) for one in second.change(1)] == [[6, 70_000], []]
    assert [sorted(one) for one in second.change(3)] == [[], []]
    assert second.counts(1, {0: 3}) == {0: 4, 1: 1}
    assert (first.logged, second.logged, second.count(1, 3)) == (2, 5, 5)
