"""The background work of a server: clocks, tasks one after another, and the operator's view of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select, text

from diglot.background import scheduler as service
from diglot.background.first_evaluation import FirstEvaluation, ScanResult
from diglot.background.scheduler import (
    HOUR,
    MINUTE,
    REEVALUATION_DELAY,
    RETRY_DELAY,
    SECOND,
    TICK_INTERVAL,
    Scheduler,
)
from diglot.background.worker import BackgroundWorker
from diglot.conditions import dates
from diglot.errors import DatabaseAway
from diglot.membership import evaluate, writer
from diglot.model.contacts import ContactChange
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, OriginalText, Segment
from diglot.server import operator_pages
from diglot.server.observability.stored_metrics import STORED_FAMILIES
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.storage import workspaces
from diglot.storage.background import due_work as stored
from diglot.storage.background import metrics as metrics_of_background
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.connect import create_engine
from diglot.storage.schema import membership_log, segments
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical
from support.membership.random_world import NOW, World, create_world
from support.metrics_page import MetricsPage
from support.servers.in_process import serving
from support.servers.process import running
from support.statements import recording

SEEN = {"field": "attributes.seen", "operator": "in_last_days", "operand": 7}
VIPS = {"field": "tags", "operator": "contains", "operand": "vip"}


def background_work(world: World, process: int = 0, **options: Any) -> Scheduler:
    """Return the background work of one of the processes."""
    return Scheduler(Sweeper(world.engines[process], lambda: world.now), **options)


async def create_segment(world: World, written: dict[str, Any]) -> Segment:
    """Create a segment."""
    condition = Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))
    return await Segments(world.engine, world.clock).create(world.caller, NewSegment("s", condition))


async def create_vip(world: World, name: str, days: float = 0) -> None:
    """Create a vip that was seen some days ago."""
    seen = dates.format_instant(world.now - round(days * dates.DAY))
    change = ContactChange({"email": f"{name}@example.com", "tags": ["vip"]}, {"seen": seen})
    await world.contacts().create(world.caller, change)


async def evaluated_at(world: World) -> int:
    """Return the time at which the memberships of the workspace are right."""
    state = await world.engine.read(bind_workspace(world.caller.workspace, workspaces.load_state))
    return state.evaluated_at


async def causes(world: World) -> list[str]:
    """Return the causes of membership changes, in order."""
    statement = Statement(select(membership_log.c.cause).order_by(membership_log.c.first_entry))
    return [row[0] for row in await world.engine.read(lambda tx: tx.fetch_all(statement))]


# The clock


async def test_stored_memberships_follow_time(world: World) -> None:
    """A contact that crosses a relative-date boundary has left by the next poll, without a write."""
    await create_segment(world, SEEN)
    await create_vip(world, "ada", 6)
    world.now += dates.DAY + 2
    await background_work(world).advance_clocks()
    assert await evaluated_at(world) == world.now
    assert await causes(world) == [Cause.CONTACT_CREATED, Cause.TIME]
    await world.check()


async def test_a_clock_that_was_just_set_is_left_alone(world: World) -> None:
    """Other processes that poll at the same time do nothing; after a poll or two it is their turn."""
    await create_segment(world, SEEN)
    for n in range(4):
        await create_vip(world, f"p{n}", 6 - n * 2 * SECOND / dates.DAY)
    world.now += dates.DAY + 2
    first, second = background_work(world), background_work(world, 1)
    await first.advance_clocks()
    then = world.now
    world.now += 3 * SECOND
    await second.advance_clocks()
    assert await evaluated_at(world) == then
    world.now = then + TICK_INTERVAL
    await second.advance_clocks()
    assert await evaluated_at(world) == world.now
    assert (await causes(world)).count(Cause.TIME) == 2
    await world.check()


async def test_a_failing_workspace_does_not_block_others(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The other workspaces still follow time."""
    workspace_row = await world.engine.write(lambda tx: get_or_create_workspace(tx, "two", "UTC", NOW))
    two = create_world(world.engines, workspace_row.number, 1)
    two.now = world.now
    for item in (world, two):
        await create_segment(item, SEEN)
        await create_vip(item, "ada", 6)
    world.now += 2 * dates.DAY
    tick = writer.tick

    async def broken(tenant: Tenant, now: int, min_interval: int) -> None:
        await tick(tenant, now, min_interval)
        if tenant.workspace == world.caller.workspace:
            raise ValueError("broken")

    monkeypatch.setattr(service, "tick", broken)
    await background_work(world).advance_clocks()
    assert await evaluated_at(two) == world.now
    assert await evaluated_at(world) < world.now
    assert f"workspace {world.caller.workspace} is passed over for a while: broken" in caplog.text


# Tasks


async def _do_all(scheduler: Scheduler) -> list[float]:
    rests = []
    while (rest := await scheduler.run_next_step()) is not None:
        rests.append(rest)
    return rests


async def test_all_tasks_run_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pending segments are evaluated first and immediately; tasks without hurry run slowly, last."""
    await create_segment(world, VIPS)
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 1)
    for n in range(6):
        await create_vip(world, f"p{n}")
    upkeep = background_work(world, verify_every_hours=1)
    await _do_all(upkeep)
    assert await _do_all(upkeep) == []
    world.now += HOUR
    await create_segment(world, SEEN)
    await create_segment(world, VIPS)
    rests = await _do_all(upkeep)
    assert rests == [0.0, 0.0, 1.0, 4.0]
    assert await _do_all(upkeep) == []
    await world.check()
    world.now += HOUR
    rests = await _do_all(upkeep)
    assert rests == [1.0, 1.0, 4.0, 4.0, 4.0]
    await world.check()


async def test_verification_can_be_switched_off(world: World) -> None:
    """With 0 hours nothing is ever verified."""
    segment = await create_segment(world, VIPS)
    world.now += 10_000 * HOUR
    assert 4.0 not in await _do_all(background_work(world, verify_every_hours=0))
    assert 4.0 in await _do_all(background_work(world, verify_every_hours=10_000))
    statement = Statement(select(segments.c.last_calculated_at))
    ((at,),) = await world.engine.read(lambda tx: tx.fetch_all(statement))
    assert at == world.now
    assert segment.last_calculated_at != at


async def test_a_failed_task_is_retried_later(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure does not block other tasks."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 1)
    for n in range(3):
        await create_vip(world, f"p{n}")
    bad, good = await create_segment(world, VIPS), await create_segment(world, VIPS)
    build, tried = FirstEvaluation.run, list[int]()

    async def broken(evaluation: FirstEvaluation, place: SegmentKey) -> bool:
        tried.append(place.segment)
        if place.segment == bad.number and tried.count(bad.number) < 2:
            raise ValueError("broken")
        return await build(evaluation, place)

    monkeypatch.setattr(FirstEvaluation, "run", broken)
    upkeep = background_work(world)
    await _do_all(upkeep)
    await _do_all(upkeep)
    assert tried == [bad.number, good.number]
    assert "cannot evaluate" in caplog.text
    world.now += RETRY_DELAY
    await _do_all(upkeep)
    assert tried == [bad.number, good.number, bad.number]
    assert await _do_all(upkeep) == []
    await world.check()


async def test_a_segment_updated_during_its_scan_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More updates may follow, so it is not scanned again immediately."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 1)
    for n in range(3):
        await create_vip(world, f"p{n}")
    segment = await create_segment(world, VIPS)
    scan, scans = FirstEvaluation.scan_segment, list[ScanResult | None]()

    async def overtaken(evaluation: FirstEvaluation, place: SegmentKey) -> ScanResult | None:
        scans.append(await scan(evaluation, place))
        if len(scans) == 1:
            condition = Condition(canonical.read(SEEN, "UTC"), OriginalText("canonical", "{}"))
            change = SegmentChange(condition=condition)
            await Segments(world.engine, world.clock).update(world.caller, segment.id, change)
        return scans[-1]

    monkeypatch.setattr(FirstEvaluation, "scan_segment", overtaken)
    upkeep = background_work(world)
    await _do_all(upkeep)
    assert len(scans) == 1
    world.now += REEVALUATION_DELAY
    await _do_all(upkeep)
    assert len(scans) == 2
    assert await world.engine.read(stored.list_pending_segments) == []
    await world.check()


async def test_a_clock_set_back_stops_no_task(world: World) -> None:
    """Periodic tasks run also if the time is earlier than that of the last run."""
    upkeep = background_work(world)
    assert await _do_all(upkeep)
    world.now += MINUTE
    assert not await _do_all(upkeep)
    world.now -= 10 * HOUR
    assert await _do_all(upkeep)


# The worker of a process


@dataclass
class FakeUpkeep:
    """Background work and its leases, which record their calls and fail on demand."""

    may: bool = True
    share_in_use: int | None = None
    steps: list[float | Exception | None] = field(default_factory=list)
    looks: list[Exception] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    hangs: bool = False
    renewed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    slow_looks: int = 0

    async def advance_clocks(self) -> None:
        self.log.append("look")
        for _ in range(self.slow_looks):
            await self.renewed.acquire()
        if self.log.count("look") == 3:
            self.looked.set()
        if self.looks:
            raise self.looks.pop(0)

    async def renew(self, find_share_in_use: Callable[[], int | None]) -> None:
        assert find_share_in_use() is None
        self.renewed.release()

    def held(self) -> frozenset[int]:
        return frozenset({0}) if self.may else frozenset()

    async def release(self) -> None:
        self.log.append("release")
        if self.looks:
            raise self.looks.pop(0)

    async def run_next_step(self) -> float | None:
        self.log.append("step")
        if not self.steps:
            self.idle.set()
            if self.hangs:
                await asyncio.Event().wait()
            return None
        result = self.steps.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


async def _worked(fake: FakeUpkeep, until: Callable[[], Awaitable[object]]) -> list[str]:
    worker = BackgroundWorker(fake, fake, poll_seconds=0.001)  # type: ignore[arg-type]
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        await until()
    await worker.stop(running)
    assert running.done()
    return fake.log


async def test_a_worker_runs_tasks_until_it_is_stopped() -> None:
    """It goes on after failures, and releases its leases at the end."""
    fake = FakeUpkeep(steps=[0.0, ValueError("a chore"), 0.5, None], looks=[ValueError("a look")])
    log = await _worked(fake, fake.idle.wait)
    assert log[:2] == ["look", "look"]
    assert log.count("step") >= 5
    assert log[-1] == "release"


async def test_slow_work_loses_no_lease() -> None:
    """Leases are renewed while a look at the clocks waits."""
    fake = FakeUpkeep(slow_looks=5)
    assert (await _worked(fake, fake.idle.wait))[:2] == ["look", "step"]


async def test_a_worker_without_a_lease_runs_no_task() -> None:
    """Other processes run them."""
    fake = FakeUpkeep(may=False)
    assert set(await _worked(fake, fake.looked.wait)) == {"look", "release"}


async def test_a_worker_stops_in_the_middle_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long task is abandoned on a stop; so are leases that cannot be released."""
    monkeypatch.setattr("diglot.background.worker._STOP_SECONDS", 0.01)
    fake = FakeUpkeep(hangs=True)

    async def hanging() -> None:
        await fake.idle.wait()
        fake.looks = [ValueError("a lease")] * 1_000

    assert (await _worked(fake, hanging))[-1] == "release"


async def test_a_worker_stops_although_its_leases_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """They will expire."""
    monkeypatch.setattr("diglot.background.worker._STOP_SECONDS", 0.01)
    fake = FakeUpkeep()

    async def hang() -> None:
        fake.log.append("hang")
        await asyncio.Event().wait()

    monkeypatch.setattr(fake, "release", hang)
    assert (await _worked(fake, fake.idle.wait))[-1] == "hang"


# The operator's view


@pytest_asyncio.fixture
async def crowd(world: World, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of a server without background work, on the database of the world."""
    async with serving(url, now=world.now) as server:
        yield server.client


async def test_metrics_show_pending_work(
    world: World, crowd: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They need no key, and contain no name."""
    await create_segment(world, SEEN)
    await create_vip(world, "ada", 8)
    await create_vip(world, "bob", 6)
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 1)
    await create_segment(world, VIPS)
    answer = await crowd.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    metrics = MetricsPage(answer.text)
    assert {family.name for family in STORED_FAMILIES} <= metrics.names
    assert metrics.value("diglot_pending_segments") == 1
    assert metrics.value("diglot_uncompacted_log_changes") == 1
    assert metrics.value("diglot_repaired_segments_total") == 0
    assert metrics.value("diglot_workspace_clock_lag_seconds") == 0
    assert not re.search(r"\b(ada|bob|example|one)\b", re.sub(r"#.*", "", answer.text))
    head = await crowd.head("/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0


async def test_metrics_show_delays(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memberships behind their time, and the oldest full evaluation."""
    monkeypatch.setattr(operator_pages, "REMEMBER_SECONDS", 0.0)
    await create_segment(world, SEEN)
    await create_vip(world, "ada", 6)
    world.now += dates.DAY + 100 * SECOND
    async with serving(url, now=world.now) as server:
        metrics = MetricsPage((await server.client.get("/metrics")).text)
        assert 99 < metrics.value("diglot_workspace_clock_lag_seconds") < 101
        assert metrics.value("diglot_oldest_evaluation_age_seconds") > 86_400
        upkeep = background_work(world, verify_every_hours=1)
        await upkeep.advance_clocks()
        await _do_all(upkeep)
        metrics = MetricsPage((await server.client.get("/metrics")).text)
        assert (
            metrics.value("diglot_workspace_clock_lag_seconds"),
            metrics.value("diglot_oldest_evaluation_age_seconds"),
        ) == (0, 0)
        assert metrics.value("diglot_verified_segments_total") == 1


async def test_metrics_of_the_database_are_one_statement(crowd: httpx.AsyncClient) -> None:
    """A process asks once in a few seconds, however many scrapers ask it."""
    with recording() as statements:
        pages = [MetricsPage((await crowd.get("/metrics")).text) for _ in range(3)]
    assert len(statements) == 1
    assert {page.value("diglot_pending_segments") for page in pages} == {0}


async def test_metrics_of_an_unavailable_database(
    crowd: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of the database are missing, not 0; the others are there. Ten requests write one line."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(Statement(text("ALTER TABLE verifications RENAME TO gone")))

    await world.engine.write(work)
    for _ in range(10):
        broken = await crowd.get("/metrics")
    assert caplog.text.count("does not answer the metrics page") == 1
    metrics = MetricsPage(broken.text)
    assert broken.status_code == 200
    assert not {family.name for family in STORED_FAMILIES} & metrics.names
    assert (metrics.value("diglot_database_up"), metrics.value("diglot_processes")) == (0, 1)
    assert metrics.value("diglot_database_complete") == 0


async def test_metrics_of_a_database_with_a_node_that_is_away(
    crowd: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is up, and the sums over all nodes are missing until it is complete again."""

    async def fail(*_: object) -> None:
        raise DatabaseAway("connection to the remote node failed")

    monkeypatch.setattr(operator_pages, "REMEMBER_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(metrics_of_background, "load", fail)
        partly = MetricsPage((await crowd.get("/metrics")).text)
    assert not {family.name for family in STORED_FAMILIES} & partly.names
    assert (partly.value("diglot_database_up"), partly.value("diglot_database_complete")) == (1, 0)
    whole = MetricsPage((await crowd.get("/metrics")).text)
    assert {family.name for family in STORED_FAMILIES} <= whole.names
    assert (whole.value("diglot_database_up"), whole.value("diglot_database_complete")) == (1, 1)


async def test_a_server_runs_background_work(url: str) -> None:
    """A server process evaluates pending segments by itself, and its metrics show it."""
    engine: Engine = create_engine(url)
    await engine.open()
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    world = create_world([engine], workspace.number, 1)
    await create_segment(world, VIPS)

    async def wait(transaction: Transaction) -> None:
        await transaction.execute(Statement(segments.update().values(members=None)))

    await engine.write(wait)
    async with running(url) as live, httpx.AsyncClient(base_url=live.base) as client, asyncio.timeout(60):
        while MetricsPage((await client.get("/metrics")).text).value("diglot_pending_segments"):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)
    stored_members = Statement(select(segments.c.members))
    assert [row[0] for row in await engine.read(lambda tx: tx.fetch_all(stored_members))] == [0]
    await engine.close()
