"""Segments about events: at every step the members are those that the oracle finds, also by time alone.

Events arrive on time, late and twice; machines cause some; contacts are changed and deleted; the
clock stops at edges of windows and a microsecond beside them, and jumps over all of them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from diglot.background.first_evaluation import FirstEvaluation
from diglot.background.retention import Retention
from diglot.background.verification import Verification
from diglot.conditions import dates
from diglot.errors import Conflict
from diglot.membership import passage_of_time, writer
from diglot.membership.event_index import filling
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, EventKind, NewEvent, OccurredAt
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, SegmentPatch, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.storage.background import due_work
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.contacts import remembered_events
from diglot.storage.membership import log_expiry
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace
from support import canonical, oracle, populations, random_events
from support.reporting import SEED, Tally

NOW = 1_772_366_400_000_000
ALL = Window(0, 1_000_000)
SEGMENTS = 24
OTHERS = (
    {"field": "tags", "operator": "contains", "operand": "vip"},
    {"field": "total_opens", "operator": "lt", "operand": 2},
    {"field": "last_opened_at", "operator": "in_last_days", "operand": 1},
)
# It asks about a window that is never drawn.
UNINDEXED = {"field": "events.purchase.count.11d", "operator": "gte", "operand": 1}
KINDS = {"purchase": EventKind.OTHER, "email.opened": EventKind.OPEN}


@dataclass
class Crowd:
    """A workspace, what the oracle knows of its contacts and segments, and a clock."""

    engine: Engine
    caller: Caller
    rng: Random
    now: int = NOW
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    made: int = 0
    compared: int = 0

    def clock(self) -> int:
        return self.now

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now // 1_000_000, UTC).replace(microsecond=self.now % 1_000_000)

    def use(self, kind: Any) -> Any:
        return kind(self.engine, self.clock)

    async def create(self) -> None:
        """Create a contact."""
        self.made += 1
        tags = self.rng.choice(([], ["vip"]))
        change = ContactChange({"email": f"c{self.made}@example.com", "tags": tags})
        created = await self.use(Contacts).create(self.caller, change)
        self.contacts[created.id] = {"email": change.email, "tags": tags, "events": []}

    async def change(self) -> None:
        id_ = self.rng.choice(list(self.contacts))
        tags = self.rng.choice(([], ["vip"]))
        await self.use(Contacts).update(self.caller, id_, ContactChange({"tags": tags}))
        self.contacts[id_]["tags"] = tags

    async def delete(self) -> None:
        if len(self.contacts) > 6:
            id_ = self.rng.choice(list(self.contacts))
            await self.use(Contacts).delete(self.caller, id_)
            del self.contacts[id_]
            self.sources = {source: owned for source, owned in self.sources.items() if owned[0] != id_}

    async def event(self) -> None:
        """Record an event, or several at once, some of one contact, which may share a transaction."""
        rng = self.rng
        if rng.random() < 0.7:
            await self.record(self.use(Events), rng.choice(list(self.contacts)), f"e{rng.randrange(40)}")
            return
        self.made += 1
        events, owners = self.use(Events), rng.choices(list(self.contacts), k=rng.randrange(2, 9))
        ids = (f"s{self.made}-{number}" for number in range(len(owners)))
        await asyncio.gather(*(self.record(events, *pair) for pair in zip(owners, ids, strict=True)))

    async def record(self, events: Events, id_: str, source: str | None) -> None:
        """Record an event of a contact with an id or without one, and keep it for the oracle."""
        rng = self.rng
        name = rng.choice(random_events.NAMES) if rng.random() < 0.4 else "purchase"
        at = _micros(random_events.instant(rng, self.moment))
        source, machine = rng.choice((None, source)), rng.random() < 0.1
        event = {"name": name, "at": dates.format_instant(at), "machine": machine}
        event["properties"] = random_events.properties(rng)
        new = NewEvent(
            KINDS.get(name, EventKind.OTHER),
            name,
            populations.event_body(event),
            OccurredAt(at, ("timestamp",)),
            event_id=source,
        )
        before = None if source is None else self.sources.get(source)
        with nullcontext() if before in (None, (id_, name)) else pytest.raises(Conflict):
            await events.record(self.caller, ContactRef(id_, None), new)
        if before is not None:
            return
        if source is not None:
            self.sources[source] = id_, name
        known = self.contacts[id_]
        known["events"].append(event)
        if new.kind is EventKind.OPEN:
            opened = max(known.get("last_opened_at", ""), dates.format_instant(at))
            known |= {"last_opened_at": opened, "total_opens": known.get("total_opens", 0) + 1}

    async def segment(self) -> None:
        """Create a segment, or change the rules of one."""
        await self.create_or_change(random_events.condition(self.rng, self.moment, OTHERS))

    async def create_or_change(self, written: dict[str, Any]) -> None:
        condition = Condition(canonical.read(written), OriginalText("canonical", "{}"))
        self.made += 1
        if len(self.segments) < SEGMENTS:
            new = NewSegment(f"s{self.made}", condition)
            self.segments[(await self.use(Segments).create(self.caller, new)).id] = written
        else:
            id_ = self.rng.choice(list(self.segments))
            await self.use(Segments).update(self.caller, id_, SegmentPatch(condition=condition))
            self.segments[id_] = written

    async def advance(self) -> None:
        """Advance the clock to an edge of a window or beside it, by a little, or over every window."""
        rng = self.rng
        all_events = [event for one in self.contacts.values() for event in one["events"]]
        if all_events and rng.random() < 0.7:
            span = oracle.moment(rng.choice(all_events)["at"], "UTC")
            assert span is not None
            window = random_events.length_of(rng.choice(random_events.WINDOWS[:-1]))
            edge = span.start + window // oracle.MICROSECOND + rng.choice((-1, 0, 1))
            self.now = max(self.now, min(edge, self.now + 40 * dates.DAY))
        else:
            self.now += rng.choice((1, dates.SECOND, 3_600 * dates.SECOND, 200 * dates.DAY))
        if rng.random() < 0.5:
            await self.engine.write(
                bind_workspace(self.caller.workspace, lambda tenant: writer.tick(tenant, self.now))
            )

    async def step(self) -> None:
        often = (self.event, self.event, self.event, self.event, self.advance, self.advance)
        seldom = (self.create, self.change, self.delete, self.segment)
        await self.rng.choice(often if self.rng.random() < 0.8 else seldom)()

    async def check(self) -> None:
        """Compare the members of all segments with the oracle."""
        for id_, written in self.segments.items():
            page = await self.use(Segments).list_members(self.caller, id_, ALL)
            assert page.total == len(page.items)
            found = {contact.id for contact in page.items}
            expected = {
                contact
                for contact, known in self.contacts.items()
                if oracle.matches(written, known, now=self.moment, zone="UTC", lists={})
            }
            wrong = [self.contacts[contact] for contact in found ^ expected]
            assert not wrong, (written, self.moment, wrong)
            self.compared += len(self.contacts)

    async def verify(self) -> None:
        """Verify each segment, its index and its next change: nothing needs a repair."""
        workspace = self.caller.workspace
        verification = Verification(self.engine, self.clock)
        for number in await self.engine.read(bind_workspace(workspace, log_expiry.list_segment_numbers)):
            verdict = await verification.compare(SegmentKey(workspace, number))
            assert verdict is None or verdict.is_correct, (number, verdict)


def _micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=None) - oracle.EPOCH) // oracle.MICROSECOND


@pytest_asyncio.fixture
async def crowd(engine: Engine, pytestconfig: pytest.Config) -> AsyncIterator[Crowd]:
    """Lend a workspace with some contacts and segments."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    lent = Crowd(engine, caller, Random(pytestconfig.stash[SEED]))
    for _ in range(pytestconfig.getoption("world_contacts")):
        await lent.create()
    for _ in range(SEGMENTS // 2):
        await lent.segment()
    yield lent


@pytest.mark.parametrize("crossing", [20_000, 1])
async def test_members_are_those_of_the_oracle(
    crowd: Crowd,
    crossing: int,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
    tally: Tally,
) -> None:
    """After every write and at every instant, whether few or many cross an edge; nothing needs a repair."""
    monkeypatch.setattr(passage_of_time, "MAX_CROSSING", crossing)
    monkeypatch.setattr(writer, "SWEEP_THRESHOLD", 2)
    monkeypatch.setattr(remembered_events, "MIN_REMEMBERED", 1 if crossing == 1 else 50)
    for step in range(pytestconfig.getoption("world_steps")):
        await crowd.step()
        await crowd.check()
        if step % 25 == 0:
            await crowd.verify()
    await crowd.verify()
    tally("triples of contact, segment and instant", "all", crowd.compared)


async def test_segments_are_evaluated_in_the_background(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """While a segment is pending, while its index is filled in parts between writes, and ever after."""
    monkeypatch.setattr(filling, "MAX_EVENTS_INLINE", 0)
    monkeypatch.setattr(filling, "EVENTS_PER_PART", 2)
    evaluation, retention = (
        FirstEvaluation(crowd.engine, crowd.clock),
        Retention(crowd.engine, 30, crowd.clock),
    )
    fill_part = filling.IndexFilling._fill_part
    is_filling, filled = False, 0

    async def fill_part_between_writes(self: filling.IndexFilling, unit: Any, first: int) -> bool:
        nonlocal filled
        filled += 1
        return await fill_part(self, unit, first)

    write = filling.IndexFilling._write

    async def write_between_steps(self: filling.IndexFilling, step: Any) -> Any:
        if is_filling and crowd.rng.random() < 0.3:
            await crowd.step()
            if crowd.rng.random() < 0.2:
                await retention.expire_batch(crowd.caller.workspace)
        return await write(self, step)

    monkeypatch.setattr(filling.IndexFilling, "_fill_part", fill_part_between_writes)
    monkeypatch.setattr(filling.IndexFilling, "_write", write_between_steps)
    stored, steps = 0, pytestconfig.getoption("world_steps")
    for step in range(steps):
        await crowd.step()
        if step == steps // 2:
            # What this one needs is in no index before, whatever was drawn.
            await crowd.create_or_change(UNINDEXED)
        if step % 5 == 0:
            is_filling = True
            for place in await crowd.engine.read(due_work.list_pending_segments):
                stored += await evaluation.run(place)
            is_filling = False
        await crowd.check()
        if step % 25 == 0:
            await crowd.verify()
    await crowd.verify()
    assert stored
    assert filled
    tally("triples of contact, segment and instant beside first evaluations", "all", crowd.compared)
