"""Events that expire: what they added up to stays, and no window counts them again."""

import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from diglot.background.retention import Retention
from diglot.background.verification import Verification
from diglot.conditions import dates
from diglot.conditions.computed.needed_history import iterate_needs
from diglot.errors import Conflict, InvalidInput, NotFound
from diglot.membership.read import clock_went_back
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, EventFilter, EventKind, NewEvent, OccurredAt
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import Workspaces, get_or_create_workspace
from diglot.service.audience.segments import NewSegment, SegmentPatch, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.service.contacts.personal_data import PersonalData
from diglot.storage.audience import event_expiry
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.membership import instant_index, log_expiry
from diglot.storage.schema import events, field_instants
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import bind_workspace
from membership.test_behavior import NOW, OTHERS, Crowd, _micros
from support import canonical, oracle, populations, random_events
from support.reporting import SEED, Tally
from support.servers.api_clients import dialect_clients
from support.servers.in_process import Server, bearer, serving

HOUR = 3_600 * dates.SECOND
STEPS, FULL_STEPS = 100, 600
CHOICES = (0, 1, 2, 7, 31, 45, 200)
WINDOW = re.compile(r"\.(?:count|sum\.[^.]+)\.([0-9]+[dhm])$")
FOR_EVER = 2**62


@dataclass
class Forgetful(Crowd):
    """A crowd whose workspace keeps events for some days, and what the oracle knows of it.

    `arrived` has for each stored event its contact, its name, its arrival and its source.
    """

    days: int = 0
    kept_since: int = -(2**62)
    arrived: list[tuple[str, str, int, str | None]] = field(default_factory=list)
    refused: int = 0
    expired: int = 0

    async def create(self) -> None:
        await super().create()
        self.contacts[next(reversed(self.contacts))]["kept_since"] = self.kept_since

    async def delete(self) -> None:
        await super().delete()
        self.arrived = [one for one in self.arrived if one[0] in self.contacts]

    async def event(self) -> None:
        """Record an event, which may be too old to count, and may repeat one that has expired."""
        rng, id_ = self.rng, self.rng.choice(list(self.contacts))
        name = rng.choice(random_events.NAMES[:2])
        at = _micros(random_events.instant(rng, self.moment))
        source = rng.choice((None, f"e{rng.randrange(40)}"))
        happened = OccurredAt(at, ("timestamp",))
        event = {"name": name, "at": dates.format_instant(at), "properties": random_events.properties(rng)}
        new = NewEvent(
            *(EventKind.OTHER, name, populations.event_body(event)), occurred_at=happened, event_id=source
        )
        before = {one[3]: one[:2] for one in self.arrived if source is not None}.get(source)
        with nullcontext() if before in (None, (id_, name)) else pytest.raises(Conflict):
            told = await self.use(Events).record(self.caller, ContactRef(id_, None), new)
        if before is not None:
            return
        assert (told.contact_id, told.event.name, told.event.happened_at) == (id_, name, at)
        if at >= self.kept_since:
            self.arrived.append((id_, name, self.now, source))
            self.contacts[id_]["events"].append(event)

    def longest(self, written: Any) -> int:
        """Return the longest window of a condition, in microseconds; `FOR_EVER` for a rule that has none."""
        if "field" in written:
            return self.needed(written)
        parts = [written["not"]] if "not" in written else written.get("all", written.get("any"))
        return max(map(self.longest, parts), default=0)

    def needed(self, rule: Any) -> int:
        """Return the window of a rule; one that totals answer needs none."""
        if not rule["field"].startswith("events."):
            return 0
        if (window := WINDOW.search(rule["field"])) is not None:
            return random_events.length_of(window[1]) // oracle.MICROSECOND
        has_sum = ".sum." in rule["field"]
        if has_sum and rule["operator"] in {"is_set", "is_empty"}:
            return 0
        is_total = "where" not in rule and (not has_sum or rule["field"].endswith(".sum.revenue"))
        return 0 if is_total else FOR_EVER

    async def segment(self) -> None:
        """Create a segment or change the rules of one, unless they have a window longer than what is kept."""
        written = random_events.condition(self.rng, self.moment, OTHERS)
        while self.longest(written) > 31 * dates.DAY and self.rng.random() < 0.95:
            written = random_events.condition(self.rng, self.moment, OTHERS)
        node = canonical.read(written)
        condition = Condition(
            node, OriginalText("canonical", "{}"), event_needs=tuple(iterate_needs(node, ("rules",)))
        )
        id_ = None if len(self.segments) < 12 else self.rng.choice(list(self.segments))
        try:
            if id_ is None:
                id_ = (await self.use(Segments).create(self.caller, NewSegment("s", condition))).id
            else:
                await self.use(Segments).update(self.caller, id_, SegmentPatch(condition=condition))
        except InvalidInput as invalid:
            message = invalid.faults[0].message
        else:
            message = ""
            self.segments[id_] = written
        assert bool(message) == (0 < self.days * dates.DAY < self.longest(written))
        assert not message or f"keeps them for {self.days} day" in message
        assert ("any age" in message) == (bool(message) and self.longest(written) == FOR_EVER)
        self.refused += bool(message)

    async def keep(self) -> None:
        """Set for how long events are kept; a longer window forbids it."""
        longest = max(map(self.longest, self.segments.values()), default=0)
        enough = [days for days in CHOICES if days * dates.DAY >= longest] or [0]
        days = self.rng.choice(enough if self.rng.random() < 0.8 else CHOICES)
        try:
            await self.use(Workspaces).set_event_days("one", days)
        except Conflict as conflict:
            message = str(conflict)
        else:
            message, self.days = "", days
            self.raise_floor()
        assert bool(message) == (0 < days * dates.DAY < longest)
        assert not message or message.startswith("segment ")

    async def expire(self) -> None:
        """Let the background work run until it finds nothing more to delete."""
        while await Retention(self.engine, 3_650, self.clock).expire_batch(self.caller.workspace):
            pass
        self.raise_floor()
        kept = [one for one in self.arrived if one[2] >= self.kept_since]
        self.expired += len(self.arrived) - len(kept)
        self.arrived = kept

    def raise_floor(self) -> None:
        """Count only the events of the last days, as the command does at once, and later the background."""
        if self.days:
            floor = (self.now - self.days * dates.DAY) // HOUR * HOUR
            self.kept_since = max(self.kept_since, floor)
        for known in self.contacts.values():
            known["kept_since"] = self.kept_since

    async def set_back(self) -> None:
        """Set the clock back by more than servers may differ, but not before the last event or arrival."""
        instants = [
            oracle.moment(each["at"], "UTC") for one in self.contacts.values() for each in one["events"]
        ]
        latest = max((span.start for span in instants if span is not None), default=self.now)
        latest = max(latest, *(one[2] for one in self.arrived), NOW)
        earlier = self.rng.randint(min(latest, self.now), self.now)
        if clock_went_back(self.now, earlier):
            self.now = earlier
            await self.change()

    async def step(self) -> None:
        pick = self.rng.random()
        if pick < 0.07:
            await self.keep()
        elif pick < 0.2:
            await self.expire()
        elif pick < 0.23:
            await self.set_back()
        else:
            await super().step()


@pytest_asyncio.fixture
async def crowd(engine: Engine, pytestconfig: pytest.Config) -> AsyncIterator[Forgetful]:
    """Lend a workspace with some contacts and segments."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    lent = Forgetful(engine, caller, Random(pytestconfig.stash[SEED]))
    for _ in range(8):
        await lent.create()
    for _ in range(6):
        await lent.segment()
    yield lent


async def _count_rows(engine: Engine, table: Any, *conditions: Any) -> int:
    statement = Statement(select(func.count()).select_from(table).where(*conditions))
    row = await engine.read(lambda tx: tx.fetch_one(statement))
    assert row is not None
    return int(row[0])


async def test_members_are_those_of_the_oracle(
    crowd: Forgetful, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """With windows up to what is kept, a clock that is set back, and a retention that changes."""
    monkeypatch.setattr(event_expiry, "MAX_ROWS", 3)
    monkeypatch.setattr(instant_index, "_ROWS_PER_SLICE", 2)
    for step in range(FULL_STEPS if pytestconfig.getoption("full") else STEPS):
        await crowd.step()
        await crowd.check()
        if step % 20 == 0:
            await crowd.verify()
    await crowd.expire()
    await crowd.verify()
    assert await _count_rows(crowd.engine, events) == len(crowd.arrived)
    tally("triples of contact, segment and instant while events expire", "all", crowd.compared)
    tally("events that expired, and rules that were refused", "all", crowd.expired + crowd.refused)


PURCHASES = {"field": "events.purchase.count.60d", "operator": "equals", "value": 0}


async def set_days(server: Server, days: int) -> None:
    """Set for how long events are kept, as the operator's command does."""
    await Workspaces(await server.beside.engine(), lambda: server.now).set_event_days("one", days)


async def expire(server: Server) -> None:
    """Delete what is over."""
    retention = Retention(await server.beside.engine(), 3_650, lambda: server.now)
    while await retention.expire_batch(1):
        pass


async def test_a_window_longer_than_what_is_kept_is_refused(url: str) -> None:
    """By each call that stores or tries rules, with the path and the figure; and the other way round."""
    message = "Needs events of up to 60 days, but the workspace keeps them for 59 days"
    nested = {"field": "email", "operator": "equals", "value": "a@example.com"}
    async with serving(url, now=NOW) as server:
        misar, topmail = await dialect_clients(server)
        await set_days(server, 59)
        criteria = {"operator": "OR", "rules": [nested, {"operator": "AND", "rules": [nested, PURCHASES]}]}
        where = ("rules", 1, "rules", 1, "field")
        refusals = [
            ("POST", "/segments", {"name": "s", "segment_type": "dynamic", "filter_criteria": criteria}),
            ("POST", "/segments", {"name": "s", "segment_type": "static", "filter_criteria": criteria}),
            ("POST", "/segments/dry-run", {"filter_criteria": criteria}),
        ]
        for method, path, body in refusals:
            refused = await misar.request(method, path, body, 400)
            fault = f"{'.'.join(map(str, where))}: {message}"
            assert refused["details"]["fieldErrors"] == {"filter_criteria": [fault]}, path
        root = await server.client.post(
            "/mail/segments/new/preview", json={"filter_criteria": criteria}, headers=bearer(misar.key)
        )
        assert (root.status_code, message in root.text) == (400, True)
        conditions = {"match": "any", "rules": [nested, {"match": "all", "rules": [nested, PURCHASES]}]}
        for path, body in (
            ("/segments", {"name": "s"}),
            ("/segments/dry-run", {}),
            ("/lists", {"name": "l", "type": "dynamic"}),
        ):
            refused = await topmail.request("POST", path, body | {"conditions": conditions}, 400)
            path_of_fault = ".".join(map(str, ("conditions", *where)))
            assert refused["error"] == {
                "code": "validation_error",
                "message": message,
                "path": path_of_fault,
            }
        await set_days(server, 60)
        made = await topmail.request("POST", "/segments", {"name": "s", "conditions": conditions}, 201)
        id_ = made["data"]["id"]
        with pytest.raises(Conflict, match=rf"^segment {id_} \(s\): {message}$"):
            await set_days(server, 59)
        # Rules that are sent again as they are change nothing, so nothing refuses them.
        await topmail.request("PATCH", f"/segments/{id_}", {"conditions": conditions})
        narrow = {"rules": [{"field": "events.purchase.count", "operator": "equals", "value": 0}]}
        await topmail.request("PATCH", f"/segments/{id_}", {"conditions": narrow})
        await set_days(server, 59)
        await topmail.request("PATCH", f"/segments/{id_}", {"conditions": conditions}, 400)
        await set_days(server, 0)
        await topmail.request("PATCH", f"/segments/{id_}", {"conditions": conditions})


OLD = "2026-01-05T12:00:00Z"
SENT: tuple[tuple[str, str, Any, str, int], ...] = (
    ("misar", "/track/event", {"event_name": "email.opened", "event_id": "m"}, "timestamp", 200),
    ("misar", "/track/purchase", {"order_id": "o-1", "total_cents": 100}, "timestamp", 200),
    ("topmail", "/track/event", {"name": "email.opened", "event_id": "t"}, "occurred_at", 201),
    (
        "topmail",
        "/conversions",
        {"type": "purchase", "revenue": 1, "order_id": "o-2"},
        "converted_at",
        201,
    ),
)


async def test_an_event_that_is_too_old_is_answered_and_not_counted(url: str) -> None:
    """A late repetition of an event that expired counts nothing twice; totals stay, and events go."""
    rules = [
        {"field": "events.email.opened.count", "operator": "equals", "value": 2},
        {"field": "events.purchase.count", "operator": "equals", "value": 2},
        {"field": "events.purchase.first_at", "operator": "equals", "value": "2026-01-05"},
        {"field": "events.purchase.count.30d", "operator": "equals", "value": 0},
    ]
    async with serving(url, now=NOW) as server:
        clients = dict(zip(("misar", "topmail"), await dialect_clients(server), strict=True))
        misar, topmail = clients["misar"], clients["topmail"]
        made = await misar.request("POST", "/contacts", {"email": "ada@example.com"}, 201)
        body = {"name": "s", "conditions": {"rules": rules}}
        segment = (await topmail.request("POST", "/segments", body, 201))["data"]["id"]

        async def send(at: str) -> list[Any]:
            return [
                await clients[dialect].request(
                    "POST", path, {"email": "ada@example.com", when: at, **body}, status
                )
                for dialect, path, body, when, status in SENT
            ]

        first = await send(OLD)
        assert await send(OLD) == first
        known = await misar.request("GET", f"/contacts/{made['data']['id']}")
        export = await PersonalData(await server.beside.engine()).export("one", "ada@example.com")
        assert len(export["events"]) == 4
        server.now += 40 * dates.DAY
        await set_days(server, 30)
        await expire(server)
        assert await _count_rows(await server.beside.engine(), events) == 0
        again = await send(OLD)
        assert [sorted(one) for one in again] == [sorted(one) for one in first]
        assert await misar.request("GET", f"/contacts/{made['data']['id']}") == known
        assert (await topmail.request("GET", "/events"))["pagination"]["total"] == 0
        assert (await topmail.request("GET", "/conversions"))["pagination"]["total"] == 0
        after = await PersonalData(await server.beside.engine()).export("one", "ada@example.com")
        assert (after["events"], after["event_totals"]) == ([], export["event_totals"])
        members = await topmail.request("GET", f"/segments/{segment}/contacts")
        assert members["pagination"]["total"] == 1
        explained = await topmail.request("GET", f"/segments/{segment}/explain?contact=ada@example.com")
        assert explained["data"]["is_member"]
        # What is recent enough counts, also in a workspace that has expired events.
        await send(dates.format_instant(server.now - dates.DAY))
        assert (await misar.request("GET", "/events"))["pagination"]["total"] == 4
        assert (await topmail.request("GET", f"/segments/{segment}/contacts"))["pagination"]["total"] == 0


async def test_what_is_too_old_but_arrived_late_is_hidden(engine: Engine) -> None:
    """It is deleted as late as it arrived, and nothing reads it until then."""
    clock = [NOW]
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    ada = await Contacts(engine, lambda: clock[0]).create(caller, ContactChange({"email": "a@example.com"}))
    late = OccurredAt(NOW - 20 * dates.DAY, ("timestamp",))
    recorded = Events(engine, lambda: clock[0])
    new = NewEvent(EventKind.OTHER, "late", occurred_at=late)
    told = await recorded.record(caller, ContactRef(ada.id, None), new)
    clock[0] += 15 * dates.DAY
    await Workspaces(engine, lambda: clock[0]).set_event_days("one", 30)
    retention = Retention(engine, 3_650, lambda: clock[0])
    while await retention.expire_batch(caller.workspace):
        pass
    assert await _count_rows(engine, events) == 1
    page = await recorded.list_page(caller, EventFilter(), Window(0, 10))
    assert (page.items, page.total) == ([], 0)
    with pytest.raises(NotFound):
        await recorded.get(caller, told.event.id)
    clock[0] += 16 * dates.DAY
    while await retention.expire_batch(caller.workspace):
        pass
    assert await _count_rows(engine, events) == 0


@dataclass
class Late:
    """A workspace in which an event of nine days ago has just arrived, so that its row outlives the floor."""

    engine: Engine
    caller: Caller
    now: int = NOW
    id: str = ""

    def clock(self) -> int:
        return self.now

    async def record(self, at: int) -> None:
        new = NewEvent(EventKind.OTHER, "own", occurred_at=OccurredAt(at, ("timestamp",)))
        await Events(self.engine, self.clock).record(self.caller, ContactRef(self.id, None), new)

    async def segment(self, window: str, count: int, **more: Any) -> str:
        """Create the segment of those with so many events in a window."""
        rule = {"field": f"events.own.count.{window}", "operator": "gte", "operand": count, **more}
        condition = Condition(canonical.read(rule), OriginalText("canonical", "{}"))
        created = await Segments(self.engine, self.clock).create(self.caller, NewSegment(window, condition))
        return created.id

    async def count(self, id_: str) -> int:
        return (await Segments(self.engine, self.clock).count_members(self.caller, id_)).members

    async def expire(self, days: int) -> None:
        """Delete what is over; after each step all is right."""
        await Workspaces(self.engine, self.clock).set_event_days("one", days)
        while await Retention(self.engine, 3_650, self.clock).expire_batch(self.caller.workspace):
            await self.verify()

    async def verify(self) -> None:
        verification = Verification(self.engine, self.clock)
        for number in await self.engine.read(
            bind_workspace(self.caller.workspace, log_expiry.list_segment_numbers)
        ):
            verdict = await verification.compare(SegmentKey(self.caller.workspace, number))
            assert verdict is not None
            assert verdict.is_correct, verdict


@pytest_asyncio.fixture
async def late(engine: Engine) -> AsyncIterator[Late]:
    """Lend such a workspace."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    lent = Late(engine, Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset()))
    created = await Contacts(engine, lent.clock).create(
        lent.caller, ContactChange({"email": "a@example.com"})
    )
    lent.id = created.id
    await lent.record(NOW - 9 * dates.DAY)
    yield lent


async def test_the_command_names_each_segment_that_needs_more(engine: Engine) -> None:
    """The first twenty, each with what it needs; a segment that needs less is not named."""
    await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    late = Late(engine, Caller(1, ZoneInfo("UTC"), "key", frozenset()))
    made = [await late.segment(f"{days}d", 1) for days in range(10, 33)]
    refused = "{id} ({days}d): Needs events of up to {days} days, but the workspace keeps them for 11 days"
    with pytest.raises(Conflict) as conflict:
        await Workspaces(engine, late.clock).set_event_days("one", 11)
    parts = str(conflict.value).split("; ")
    assert parts[:-1] == [
        f"segment {refused.format(id=id_, days=days)}" for days, id_ in enumerate(made[2:22], 12)
    ]
    assert parts[-1] == "and 1 more"
    with pytest.raises(Conflict) as conflict:
        await Workspaces(engine, late.clock).set_event_days("one", 12)
    assert str(conflict.value).count("; segment ") == 19
    assert "more" not in str(conflict.value)


async def test_the_command_takes_effect_at_once(late: Late) -> None:
    """A late event that arrives before any background work is too old; the clock was advanced before."""
    total, once = await late.segment("30d", 2), await late.segment("8d", 1)
    late.now += 2 * dates.DAY
    await late.record(late.now - 20 * dates.DAY)
    assert [await late.count(total), await late.count(once)] == [1, 0]
    stored = await _count_rows(late.engine, events)
    await Workspaces(late.engine, late.clock).set_event_days("one", 30)
    await late.record(late.now - 31 * dates.DAY)
    assert await _count_rows(late.engine, events) == stored
    await late.record(late.now - 29 * dates.DAY)
    assert await _count_rows(late.engine, events) == stored + 1
    await late.verify()


async def test_a_longer_retention_brings_nothing_back(late: Late) -> None:
    """Neither by a scan of events, nor by the instants of a state, nor by the instant index."""
    once = await late.segment("10d", 1)
    assert await late.count(once) == 1
    late.now += 2 * dates.DAY
    await late.expire(10)
    assert await _count_rows(late.engine, events) == 1
    assert await late.count(once) == 0
    await late.expire(0)
    since_long = await late.segment("60d", 1)
    assert await late.count(since_long) == 0
    await late.verify()
    twice = await late.segment("60d", 2)
    await late.record(late.now)
    assert [await late.count(id_) for id_ in (once, since_long, twice)] == [1, 1, 0]
    await late.verify()
    assert await _count_rows(late.engine, field_instants, field_instants.c.instant < NOW) == 0
    await late.record(late.now)
    assert await late.count(twice) == 1
    await late.verify()


@pytest.mark.parametrize("more", [{}, {"where": {"all": [{"field": "machine", "operator": "is_empty"}]}}])
async def test_what_is_not_deleted_yet_is_not_counted(late: Late, more: dict[str, Any]) -> None:
    """The index still has instants below the floor when a longer window asks it."""
    once = await late.segment("10d", 1, **more)
    assert await late.count(once) == 1
    late.now += 2 * dates.DAY
    await Workspaces(late.engine, late.clock).set_event_days("one", 10)
    assert await _count_rows(late.engine, field_instants) > 0
    await Workspaces(late.engine, late.clock).set_event_days("one", 0)
    since_long = await late.segment("60d", 1, **more)
    assert [await late.count(id_) for id_ in (once, since_long)] == [0, 0]
    await late.verify()


async def test_a_clock_that_is_set_back_brings_nothing_back(late: Late) -> None:
    """The floor stays where it was, so the windows of earlier instants are empty."""
    once = await late.segment("10d", 1)
    late.now += 2 * dates.DAY
    await late.expire(10)
    late.now -= 2 * dates.DAY
    again = await late.segment("9d", 1)
    assert [await late.count(id_) for id_ in (once, again)] == [0, 0]
    await late.verify()


async def test_instants_of_expired_events_leave_the_index(late: Late) -> None:
    """In parts, because nobody crosses them any more."""
    for hour in range(5):
        await late.record(NOW - hour * HOUR)
    once = await late.segment("10d", 3)
    late.now += 20 * dates.DAY
    # A write before the floor rises leaves the present rows.
    await late.record(late.now)
    kept = await _count_rows(late.engine, field_instants)
    assert kept == 1
    await late.expire(10)
    assert await _count_rows(late.engine, field_instants) == 0
    assert await late.count(once) == 0
    await late.verify()
