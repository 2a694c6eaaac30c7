"""A world of contacts, lists and segments with random writes by two processes, and a moving clock.

The stored memberships are compared with full evaluations, with counts and with the replayed log.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from diglot.background.first_evaluation import FirstEvaluation, ScanResult
from diglot.background.verification import Verification
from diglot.conditions import dates
from diglot.errors import NotFound
from diglot.membership import compaction
from diglot.membership.writer import load_active_segments, tick
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, ManualMemberChange, MemberAction, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import Workspaces, get_or_create_workspace
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.contacts.contacts import Contacts
from diglot.storage.background import due_work
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.connect import create_engine
from diglot.storage.membership import log_expiry
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import open_unit
from support import canonical
from support import random_conditions as drawn
from support.membership.history_checks import Historian, Snapshot
from support.membership.membership_checks import ALL_ROWS, compare, compare_replay

NOW = 1_772_366_400_000_000
PLANS = ("pro", "free", 5, "5", True, None, ["pro", "x"], 2**60)
TAGS = ("vip", "VIP", "Ä", "new")
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Africa/Cairo", "Pacific/Apia")
DAY_OPS = ("in_last_days", "more_than_days_ago", "exactly_days_ago", "in_next_days")
HOUR_OPS = ("in_last_hours", "more_than_hours_ago", "in_next_hours")
MAX_SNAPSHOTS = 30
DAYS = (0, 1, 2, 7, 30)
HOURS = (0, 1, 24, 48, 168)
# Sources of anniversaries that the world changes.
DATED = ("last_opened_at", "created_at", "attributes.seen", "seen", "attributes.born")
BIRTHDAYS = (
    "2000-02-29",
    "1990-02-28",
    "1984-03-01T23:30:00",
    "1970-01-01",
    "2001-03-08 00:15",
    "1999-13-01",
)


@dataclass
class World:
    """Two processes on one database: each has its own engine and services."""

    engines: Sequence[Engine]
    caller: Caller
    rng: Random
    zone: str = "UTC"
    now: int = NOW
    ids: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    statics: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    dynamic: list[str] = field(default_factory=list)
    instants: list[int] = field(default_factory=list)
    scans: list[ScanResult] = field(default_factory=list)
    made: int = 0
    # The last condition, in its canonical form.
    drawn: Any = None
    # Whether the log holds the whole history.
    is_whole: bool = True
    snapshots: list[Snapshot] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.rng.choice(self.engines)

    def clock(self) -> int:
        """Return the time of this world, which advances a little with each call."""
        self.now += 1
        return self.now

    def contacts(self) -> Contacts:
        return Contacts(self.engine, self.clock)

    def change(self) -> ContactChange:
        """Return an update of a few fields."""
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
        for name in ("last_opened_at", "last_clicked_at"):
            if rng.random() < 0.3:
                values[name] = self.instant() if rng.random() < 0.9 else None
        attributes: dict[str, Any] = {"plan": rng.choice(PLANS)} if rng.random() < 0.4 else {}
        if rng.random() < 0.3:
            text = dates.format_instant(self.instant())
            attributes["seen"] = rng.choice((text, text[:10], text[:19], None, 5, [text]))
        if rng.random() < 0.2:
            attributes["born"] = rng.choice((*BIRTHDAYS, dates.format_instant(self.instant())[:10], None))
        return ContactChange(values, attributes)

    def instant(self) -> int:
        """Return an instant near a relative-date boundary, a number of whole days away or not."""
        rng = self.rng
        result = self.now - rng.choice((*DAYS, 1, 3, 40, -1, -2, -7)) * dates.DAY
        result += rng.choice((0, 0, 1, -1, 3_600_000_000, rng.randint(-dates.DAY, dates.DAY)))
        self.instants = [*self.instants[-20:], result]
        return result

    async def step(self) -> None:
        """Do a random write that may change memberships."""
        self.made += 1
        often = (self._create, self._update, self._update, self._update, self._delete, self._advance)
        action = self.rng.choice(often)
        if self.rng.random() < 0.2:
            seldom = (self._import, self._segment, self._edit, self._drop, self._static, self._by_hand)
            lists = (self._join, self._leave, self._list, self._edit_list, self._no_list)
            action = self.rng.choice((*seldom, *lists))
        await action()
        if self.rng.random() < 0.05:
            self.snapshots.append(await self.historian().take_snapshot())
            if len(self.snapshots) > MAX_SNAPSHOTS:
                self.snapshots.pop(self.rng.randrange(MAX_SNAPSHOTS))

    def historian(self) -> Historian:
        """Return the historian of one of the processes."""
        return Historian(self.engine, self.caller, self.clock(), self.rng)

    async def _advance(self) -> None:
        """Advance the time: a little, or to the next relative-date boundary of a contact."""
        rng = self.rng
        if self.instants and rng.random() < 0.6:
            days = rng.choice((*DAYS, *(-days for days in DAYS)))
            edge = rng.choice(self.instants) + days * dates.DAY + rng.choice((-1, 0, 1))
            self.now = max(self.now, min(edge, self.now + 3 * dates.DAY))
        else:
            self.now += rng.choice((1, dates.SECOND, 60 * dates.SECOND, 3_600 * dates.SECOND, dates.DAY))
        if rng.random() < 0.3:
            await self.engine.write(
                bind_workspace(self.caller.workspace, lambda tenant: tick(tenant, self.clock()))
            )

    async def _create(self) -> None:
        self.made += 1
        change = self.change()
        change.values["email"] = f"c{self.made}@example.com"
        self.ids.append((await self.contacts().create(self.caller, change)).id)

    async def _update(self) -> None:
        if self.ids:
            await self.contacts().update(self.caller, self.rng.choice(self.ids), self.change())

    async def _delete(self) -> None:
        if len(self.ids) > 5:
            await self.contacts().delete(self.caller, self.ids.pop(self.rng.randrange(len(self.ids))))

    async def _import(self) -> None:
        changes = [self.change() for _ in range(self.rng.randint(1, 30))]
        for change in changes:
            change.values["email"] = f"i{self.rng.randint(0, 40)}@example.com"
            if self.rng.random() < 0.3:
                change.values["created_at"] = self.instant()
        await self.contacts().import_all(self.caller, changes)

    async def _segment(self) -> None:
        new = NewSegment(f"s{self.made}", self.condition())
        created = await Segments(self.engine, self.clock).create_with_count(self.caller, new)
        self.segments.append(created.segment.id)

    async def edit(self) -> None:
        """Update the condition of a segment."""
        change = SegmentChange(condition=self.condition())
        id_ = self.rng.choice(self.segments)
        await Segments(self.engine, self.clock).update_with_count(self.caller, id_, change)

    async def _edit(self) -> None:
        if self.segments:
            await self.edit()
            await Segments(self.engine, self.clock).refresh(self.caller, self.rng.choice(self.segments))

    async def _drop(self) -> None:
        for ids in (self.segments, self.statics):
            if len(ids) > 4:
                id_ = ids.pop(self.rng.randrange(len(ids)))
                await Segments(self.engine, self.clock).delete(self.caller, id_)

    async def _static(self) -> None:
        new = NewSegment(f"s{self.made}", self.condition(), type=SegmentType.STATIC)
        created = await Segments(self.engine, self.clock).create_with_count(self.caller, new)
        self.statics.append(created.segment.id)

    async def _by_hand(self) -> None:
        if self.statics:
            ids = self.rng.sample(self.ids, min(len(self.ids), self.rng.randint(0, 12)))
            change = ManualMemberChange(self.rng.choice(list(MemberAction)), tuple(ids))
            id_ = self.rng.choice(self.statics)
            await Segments(self.engine, self.clock).change_members(self.caller, id_, change)

    async def _list(self) -> None:
        condition = self.condition() if self.rng.random() < 0.3 else None
        new = NewList(f"l{self.made}", condition=condition)
        created = await Lists(self.engine, self.clock).create(self.caller, new)
        (self.lists if condition is None else self.dynamic).append(created.list.id)

    async def _edit_list(self) -> None:
        if self.dynamic:
            change = SegmentChange(f"e{self.made}", condition=self.condition())
            await Lists(self.engine, self.clock).update(self.caller, self.rng.choice(self.dynamic), change)

    async def _no_list(self) -> None:
        for ids in (self.lists, self.dynamic):
            if len(ids) > 2:
                id_ = ids.pop(self.rng.randrange(len(ids)))
                await Lists(self.engine, self.clock).delete(self.caller, id_)

    async def _join(self) -> None:
        if self.lists and self.ids:
            ids = self.rng.sample(self.ids, min(len(self.ids), self.rng.randint(1, 5)))
            await Lists(self.engine, self.clock).add_contacts(self.caller, self.rng.choice(self.lists), ids)

    async def _leave(self) -> None:
        if self.lists and self.ids:
            one, contact = self.rng.choice(self.lists), self.rng.choice(self.ids)
            try:
                await Lists(self.engine, self.clock).remove_contact(self.caller, one, contact)
            except NotFound:
                return

    async def build(self) -> None:
        """Scan for a pending segment, or store the result of an earlier scan."""
        building = FirstEvaluation(self.engine, self.clock)
        if self.scans and self.rng.random() < 0.5:
            scan = self.scans.pop(self.rng.randrange(len(self.scans)))
            if await building.store_result(scan):
                await self.check()
        elif waiting := await self.engine.read(due_work.list_pending_segments):
            place = self.rng.choice(waiting)
            scan_ = await building.scan_segment(place)
            self.scans += [] if scan_ is None else [scan_]

    async def build_all(self) -> None:
        """Evaluate all pending segments."""
        while waiting := await self.engine.read(due_work.list_pending_segments):
            assert await FirstEvaluation(self.engine, self.clock).run(waiting[0])

    async def verify(self) -> None:
        """Verify every segment in one of the processes: nothing needs a repair."""
        workspace = self.caller.workspace
        verification = Verification(self.engine, self.clock)
        for number in await self.engine.read(bind_workspace(workspace, log_expiry.list_segment_numbers)):
            verdict = await verification.verify(SegmentKey(workspace, number))
            assert verdict is None or verdict.is_correct, (number, verdict)

    async def change_zone(self) -> None:
        """Set another time zone."""
        self.zone = self.rng.choice(ZONES)
        await Workspaces(self.engine, self.clock).set_time_zone("one", self.zone)

    def condition(self) -> Condition:
        """Return a condition, most often one on fields that the world changes."""
        rng = self.rng
        written: dict[str, Any] = rng.choice(
            (
                {"field": "attributes.plan", "operator": "equals", "operand": rng.choice(("pro", 5, True))},
                {"field": "tags", "operator": rng.choice(("contains", "not_contains")), "operand": "vip"},
                {"field": "subscribed", "operator": "equals", "operand": True},
                {"field": "engagement_score", "operator": "gte", "operand": 50},
                {"not": {"field": "first_name", "operator": "contains", "operand": "ä"}},
                {"field": "attributes.plan", "operator": "is_empty"},
                self.relative_condition(),
                self.relative_condition(),
                self.computed_condition(),
                {"not": self.computed_condition()},
                {
                    "any": [
                        self.relative_condition(),
                        {"field": "tags", "operator": "contains", "operand": "vip"},
                    ]
                },
                {"not": {"all": [self.relative_condition(), self.list_condition()]}},
                self.list_condition(),
                {"all": []},
                drawn.condition(rng),
            )
        )
        self.drawn = written
        node = canonical.read(written, self.zone)
        return Condition(node, OriginalText("canonical", "{}"))

    def relative_condition(self) -> dict[str, Any]:
        """Return a condition with relative dates."""
        rng = self.rng
        fields = ("last_opened_at", "last_clicked_at", "created_at", "updated_at", "attributes.seen")
        operators, operands = rng.choice(((DAY_OPS, DAYS), (HOUR_OPS, HOURS)))
        return {
            "field": rng.choice(fields),
            "operator": rng.choice(operators),
            "operand": rng.choice(operands),
        }

    def computed_condition(self) -> dict[str, Any]:
        """Return a condition on a computed field: an anniversary, or a sample."""
        rng = self.rng
        operator = rng.choice(("lt", "lte", "gt", "gte", "equals", "in", "is_set"))
        field: str = rng.choice(("sample", "sample.a", *(f"anniversary.{name}" for name in DATED)))
        operands: Sequence[float] = (10, 50, 90.5) if field.startswith("sample") else (0, 1, 2, 7, 30, 364)
        if operator == "is_set":
            return {"field": field, "operator": operator}
        operand = rng.sample(operands, 2) if operator == "in" else rng.choice(operands)
        return {"field": field, "operator": operator, "operand": operand}

    def list_condition(self) -> dict[str, Any]:
        """Return a condition about a given list, or about any."""
        if not self.lists or self.rng.random() < 0.2:
            return {"field": "lists", "operator": "is_set"}
        return {"field": "lists", "operator": "equals", "operand": self.rng.choice(self.lists)}

    async def compact(self) -> None:
        """Compact the log, however short it is."""
        workspace = self.caller.workspace

        async def work(transaction: Transaction) -> None:
            async with open_unit(Tenant(transaction, workspace), self.clock) as unit:
                await compaction.compact_log(unit, await load_active_segments(unit))

        await self.engine.write(work)

    async def compare(self, engine: Engine) -> None:
        """Compare every membership with a full evaluation, in one process."""
        await compare(engine, self.caller.workspace, self.now, self.rng)

    async def check(self) -> None:
        """Compare every membership, its count, its pages and the replayed log, in both processes."""
        for engine in self.engines:
            await self.compare(engine)
        if self.is_whole:
            await compare_replay(self.engine, self.caller.workspace)
            await self.compare_history()
        now = self.now
        for id_ in (*self.segments, *self.statics):
            counts = [
                (await Segments(engine, lambda: now).get_with_count(self.caller, id_)).count
                for engine in self.engines
            ]
            ids = (await Segments(self.engine, lambda: now).list_member_ids(self.caller, id_, ALL_ROWS))[1]
            assert {*counts, ids.total, len(ids.items)} == {counts[0]}

    async def compare_history(self, begins: int = 0) -> None:
        """Compare some of the recorded states with the history, which begins after an entry."""
        historian = self.historian()
        for memory in self.rng.sample(self.snapshots, min(len(self.snapshots), 3)):
            await historian.compare(memory, begins)
            if memory.entry >= begins:
                await historian.replay(memory)
        await historian.follow(begins)


def create_world(engines: Sequence[Engine], workspace: int, seed: int) -> World:
    """Return a world in a workspace."""
    return World(engines, Caller(workspace, ZoneInfo("UTC"), "key", frozenset()), Random(seed))


@asynccontextmanager
async def open_world(url: str, seed: int) -> AsyncIterator[World]:
    """Lend a world of two processes on a migrated database."""
    engines = [create_engine(url), create_engine(url)]
    for engine in engines:
        await engine.open()
    workspace = await engines[0].write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    yield create_world(engines, workspace.number, seed)
    for engine in engines:
        await engine.close()
