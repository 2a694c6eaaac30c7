"""Several processes on one database: they divide the background work, and one that dies is replaced.

A node of the database that is away stops the work of its workspaces and of no other.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from diglot.background import scheduler as scheduling
from diglot.background.scheduler import SECOND, Scheduler
from diglot.background.share_leases import LEASE_DURATION, ShareLeases, count_fair_shares
from diglot.background.worker import POLL_SECONDS
from diglot.conditions import dates
from diglot.errors import DatabaseAway, DatabaseBusy, DatabaseDamaged, DeadlineExceeded
from diglot.membership import evaluate, writer
from diglot.model.contacts import ContactChange
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, OriginalText
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.storage import workspaces
from diglot.storage.background import due_work, leases, metrics
from diglot.storage.background import sweeper as sweeping
from diglot.storage.background.nodes import Nodes
from diglot.storage.background.part_search import MAX_FAILURES
from diglot.storage.background.passed_over import PASS_OVER, PassedOver
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.schema import membership_log
from diglot.storage.sql.engine import Engine, EphemeralBusyError, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.sweeps import ALL_SHARES, LOOK_SECONDS, SHARES, Scope
from diglot.webhooks.deliveries import Deliveries
from support import canonical
from support.failing_workspaces import NODES, FailingEngine
from support.membership.random_world import NOW, World, create_world
from support.outboxes import Outbox, deliver
from support.reporting import Tally
from support.servers.webhook_receiver import Receiver, receiving
from support.statements import recording

SEEN = {"field": "attributes.seen", "operator": "in_last_days", "operand": 7}
VIPS = {"field": "tags", "operator": "contains", "operand": "vip"}
POLL = round(POLL_SECONDS * SECOND)


@dataclass
class Process:
    """The background work of a process that a test runs by hand."""

    leases: ShareLeases
    scheduler: Scheduler
    steps: int = 0

    @property
    def held(self) -> frozenset[int]:
        return self.leases.held()

    async def poll(self) -> None:
        """Do what a process does every few seconds, and all tasks that it finds."""
        for step in (self.scheduler.advance_clocks, self.run_tasks):
            await self.leases.renew(lambda: self.scheduler.share_in_use)
            await step()

    async def run_tasks(self) -> None:
        """Run all tasks."""
        while self.held and await self.scheduler.run_next_step() is not None:
            self.steps += 1


@dataclass
class Fleet:
    """A database, its clock, and processes."""

    engine: Engine
    now: int = NOW
    processes: list[Process] = field(default_factory=list)

    def clock(self) -> int:
        return self.now

    def join(self, engine: Engine | None = None, **options: Any) -> Process:
        """Start a process."""
        share_leases = ShareLeases(engine or self.engine, self.clock)
        process = Process(share_leases, Scheduler(share_leases.sweeper, **options))
        self.processes.append(process)
        return process

    async def renew(self, times: int = 1) -> None:
        """Let each process renew its leases at each poll."""
        for _ in range(times):
            self.now += POLL
            for process in self.processes:
                await process.leases.renew()
            self.check_leases()

    def check_leases(self) -> None:
        """Check that no share is held twice."""
        counted = Counter(share for process in self.processes for share in process.held)
        assert set(counted.values()) <= {1}

    @property
    def sizes(self) -> list[int]:
        return [len(process.held) for process in self.processes]


@pytest_asyncio.fixture
async def fleet(engine: Engine) -> Fleet:
    """Return a fleet without processes."""
    return Fleet(engine)


async def create_worlds(fleet: Fleet, number: int) -> list[World]:
    """Create workspaces, each with a segment that time changes."""
    worlds = []
    for n in range(number):
        name = f"w{n}"
        row = await fleet.engine.write(
            lambda tx, name=name: get_or_create_workspace(tx, name, "UTC", NOW)  # type: ignore[misc]
        )
        world = create_world([fleet.engine], row.number, n)
        await create_segment(world, SEEN)
        seen = dates.format_instant(world.now - 6 * dates.DAY)
        await world.contacts().create(
            world.caller, ContactChange({"email": "ada@example.com"}, {"seen": seen})
        )
        worlds.append(world)
    return worlds


async def create_segment(world: World, written: dict[str, Any]) -> None:
    condition = Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))
    await Segments(world.engine, world.clock).create(world.caller, NewSegment("s", condition))


async def make_pending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create a segment that waits for its first evaluation."""
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
        await create_segment(world, VIPS)


async def ticks(engine: Engine) -> Counter[int]:
    """Return how many changes by time each workspace has had."""
    return await count_changes(engine, Cause.TIME)


async def count_changes(engine: Engine, cause: Cause) -> Counter[int]:
    """Return how many changes of a cause are in the history of each workspace."""
    statement = Statement(select(membership_log.c.workspace).where(membership_log.c.cause == cause.value))
    return Counter(row[0] for row in await engine.read(lambda tx: tx.fetch_all(statement)))


async def pending(engine: Engine) -> set[int]:
    """Return the workspaces with segments that wait for their first evaluation."""
    return {key.workspace for key in await engine.read(due_work.list_pending_segments)}


# The leases


@pytest.mark.parametrize("number", [1, 2, 3, 5, 15, 16, 17, 40])
def test_all_processes_together_hold_each_share_once(number: int) -> None:
    """None has more than one share more than another."""
    holders = [f"{n:02}" for n in range(number)]
    wanted = [count_fair_shares(holder, holders) for holder in holders]
    assert sum(wanted) == SHARES
    assert max(wanted) - min(wanted) <= 1


async def test_one_process_holds_all_shares(fleet: Fleet) -> None:
    """It does so from its first look on, for the time of a lease after the last."""
    process = fleet.join()
    assert process.held == frozenset()
    await process.leases.renew()
    assert process.held == ALL_SHARES
    fleet.now += LEASE_DURATION - 1
    assert process.held == ALL_SHARES
    fleet.now += 1
    assert process.held == frozenset()


async def test_processes_that_join_get_their_part(fleet: Fleet) -> None:
    """The others give up what is more than theirs; two looks later all have as much."""
    sizes = []
    for _ in range(4):
        fleet.join()
        await fleet.renew(2)
        sizes.append(sorted(fleet.sizes))
    assert sizes == [[16], [8, 8], [5, 5, 6], [4, 4, 4, 4]]
    for _ in range(14):
        fleet.join()
    await fleet.renew(2)
    assert sorted(fleet.sizes) == [0] * 2 + [1] * 16


async def test_the_work_of_a_process_that_ends_goes_on_at_once(fleet: Fleet) -> None:
    """Its leases are free when it has released them."""
    first, second = fleet.join(), fleet.join()
    await fleet.renew(2)
    await first.leases.release()
    assert first.held == frozenset()
    fleet.processes.remove(first)
    await fleet.renew()
    assert second.held == ALL_SHARES


async def test_the_work_of_a_process_that_dies_goes_on(fleet: Fleet) -> None:
    """The others take it when its leases end, and its own row goes, too."""
    dead = fleet.join()
    fleet.join()
    fleet.join()
    await fleet.renew(3)
    fleet.processes.remove(dead)
    dies_at = fleet.now
    while sum(fleet.sizes) < SHARES:
        await fleet.renew()
    assert fleet.now - dies_at <= LEASE_DURATION + POLL
    assert fleet.sizes == [8, 8]
    assert dead.held == frozenset()
    await fleet.renew(10)
    rows = await fleet.engine.run_ephemeral(leases.list_all)
    assert len(rows) == SHARES + len(fleet.processes)


async def test_a_share_in_use_is_kept(fleet: Fleet) -> None:
    """A task that runs is not begun by another process; its share is given up afterwards."""
    first = fleet.join()
    await fleet.renew()
    second = fleet.join()
    await second.leases.renew()
    await first.leases.renew(lambda: 0)
    await second.leases.renew()
    assert 0 in first.held
    fleet.check_leases()
    assert sorted(fleet.sizes) == [8, 8]


async def test_leases_that_cannot_be_read_stop_no_work(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each process goes on with its shares; a new one takes all after a while, as nobody else may be left."""
    first, second = fleet.join(), fleet.join()
    await fleet.renew(2)
    before = first.held, second.held

    async def fail(_: object) -> None:
        raise DatabaseAway("connection to the remote node failed")

    with monkeypatch.context() as patch:
        patch.setattr(fleet.engine, "run_ephemeral", fail)
        third = fleet.join()
        await fleet.renew(LEASE_DURATION // POLL)
        assert (first.held, second.held, third.held) == (*before, frozenset())
        for _ in range(LEASE_DURATION // POLL):
            fleet.now += POLL
            for process in fleet.processes:
                await process.leases.renew()
            assert (first.held, second.held, third.held) == (*before, ALL_SHARES)
    assert 1 <= caplog.text.count("leases: they cannot be renewed") <= 6
    await fleet.renew(2)
    assert sorted(fleet.sizes) == [5, 5, 6]


async def test_busy_leases_end_in_their_time(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot renew them holds them no longer than the others believe."""
    process = fleet.join()
    await fleet.renew()

    async def fail(_: object) -> None:
        raise EphemeralBusyError

    monkeypatch.setattr(fleet.engine, "run_ephemeral", fail)
    await fleet.renew(LEASE_DURATION // POLL - 1)
    assert process.held == ALL_SHARES
    await fleet.renew()
    assert process.held == frozenset()


# The work


async def test_processes_divide_the_work(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, tally: Tally, database: Any
) -> None:
    """Each clock ticks once, and each segment is evaluated and verified once, whoever joins and dies."""
    worlds = await create_worlds(fleet, 24)
    numbers = {world.caller.workspace for world in worlds}
    for world in worlds:
        await make_pending(world, monkeypatch)
    outcomes: list[str] = []
    options: dict[str, Any] = {
        "verify_every_hours": 24,
        "on_evaluation": lambda outcome, _: outcomes.append(outcome),
    }
    for _ in range(3):
        fleet.join(**options)
    await fleet.renew(2)
    fleet.now += 2 * dates.DAY
    for _ in range(3):
        for process in fleet.processes:
            await process.poll()
        fleet.check_leases()
        fleet.now += POLL
    assert all(process.steps for process in fleet.processes)
    fleet.processes.pop()
    fleet.join(**options)
    for _ in range((LEASE_DURATION + 3 * 60 * SECOND) // POLL):
        fleet.now += POLL
        for process in fleet.processes:
            await process.poll()
        fleet.check_leases()
    assert await ticks(fleet.engine) == dict.fromkeys(numbers, 1)
    assert outcomes == ["stored"] * len(worlds)
    found = await fleet.engine.read(lambda tx: metrics.load(tx, fleet.now))
    assert (found.verified_segments, found.repaired_segments) == (len(worlds), 0)
    tally("segments verified once by a fleet", database.name, found.verified_segments)


async def test_a_process_drops_the_tasks_that_it_gave_up(fleet: Fleet) -> None:
    """Those of its queues belong to the process that has the share now."""
    await create_worlds(fleet, 16)
    first = fleet.join()
    await first.leases.renew()
    fleet.now += 2 * dates.DAY
    await first.leases.renew()
    await first.scheduler.run_next_step()
    second = fleet.join()
    for process in (second, first, second):
        await process.leases.renew()
    for process in (first, second):
        await process.run_tasks()
    found = await fleet.engine.read(lambda tx: metrics.load(tx, fleet.now))
    assert found.verified_segments == 16
    assert second.steps == 8 * 2


async def test_a_look_is_one_statement(fleet: Fleet) -> None:
    """It asks for the shares that the process holds; without any it asks nothing."""
    await create_worlds(fleet, 3)
    process = fleet.join()
    with recording() as statements:
        await process.scheduler.advance_clocks()
        assert not statements
        await process.leases.renew()
        del statements[:]
        await process.scheduler.advance_clocks()
    assert len(statements) == 1


async def test_tasks_do_not_look_for_others(fleet: Fleet) -> None:
    """A look between any two of thousands of steps would cost more than some of them."""
    await create_worlds(fleet, 4)
    process = fleet.join()
    fleet.now += 2 * dates.DAY
    await process.leases.renew()
    with recording() as statements:
        await process.run_tasks()
    assert process.steps == 2 * 4
    sweep = due_work._PENDING_SEGMENTS._of_shares.sql_for(fleet.engine.backend).text
    assert statements.count(sweep) == 1


# A node that is away


@dataclass
class Failing:
    """A fleet of one process on a database some of whose workspaces can be away."""

    fleet: Fleet
    engine: FailingEngine
    process: Process
    worlds: Sequence[World]

    @property
    def all(self) -> set[int]:
        return {world.caller.workspace for world in self.worlds}


@pytest_asyncio.fixture
async def failing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Return twenty workspaces with due clocks and pending segments, a third of them away."""
    worlds = await create_worlds(fleet, 20)
    for world in worlds:
        await make_pending(world, monkeypatch)
    engine = FailingEngine(fleet.engine)
    engine.away = {world.caller.workspace for world in worlds[::3]}
    process = fleet.join(engine, history_days=1)
    fleet.now += 2 * dates.DAY
    await process.leases.renew()
    return Failing(fleet, engine, process, worlds)


async def test_the_work_of_the_others_goes_on(failing: Failing, caplog: pytest.LogCaptureFixture) -> None:
    """Their clocks tick, their segments are evaluated and verified, and their history expires."""
    fleet, engine, away = failing.fleet, failing.engine, {*failing.engine.away}
    here = failing.all - away
    for _ in range(4 * 60 * SECOND // POLL):
        await failing.process.poll()
        fleet.now += POLL
    assert await count_changes(fleet.engine, Cause.TIME) == dict.fromkeys(here, 1)
    assert await count_changes(fleet.engine, Cause.CONTACT_CREATED) == dict.fromkeys(away, 1)
    assert await pending(fleet.engine) == away
    found = await fleet.engine.read(lambda tx: metrics.load(tx, fleet.now))
    assert found.verified_segments == len(here)
    # At most a line a minute for each kind of work.
    lines = [
        record for record in caplog.records if record.name == "diglot.background" and record.levelno >= 30
    ]
    assert 0 < len(lines) <= 4 * 5
    engine.away = set()
    for _ in range(PASS_OVER // POLL + 1):
        fleet.now += POLL
        await failing.process.poll()
    assert await ticks(fleet.engine) == dict.fromkeys(failing.all, 1)
    assert await pending(fleet.engine) == set()


async def test_workspaces_that_are_away_are_passed_over(failing: Failing) -> None:
    """Looks of the next minute do not ask for them, and are two statements instead of one."""
    await failing.process.scheduler.advance_clocks()
    failures = failing.engine.failures
    assert failures <= 4 * len(failing.engine.away)
    with recording() as statements:
        await failing.process.scheduler.advance_clocks()
    assert failing.engine.failures == failures
    assert len(statements) == 2


@pytest.fixture(params=["lists", "nodes"])
def hanging(failing: Failing, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Return workspaces a third of which hang; the database tells which nodes have them, or does not."""
    # A unit without a deadline is asked for after this time.
    monkeypatch.setattr(sweeping, "LOOK_SECONDS", 0.02)
    engine = failing.engine
    engine.away, engine.hanging = set(), {*engine.away}
    assert len({number % NODES for number in engine.hanging}) == 1
    if request.param == "nodes":
        engine.tell_nodes()

    def pass_time() -> None:
        failing.fleet.now += round(LOOK_SECONDS * SECOND)

    engine.on_late = pass_time
    return failing


async def test_workspaces_that_hang_stop_no_other(hanging: Failing) -> None:
    """Some looks later all others have ticked, and are evaluated; the leases never ended meanwhile."""
    fleet, here = hanging.fleet, hanging.all - hanging.engine.hanging
    for _ in range(6):
        await hanging.process.poll()
        assert hanging.process.held == ALL_SHARES
        fleet.now += POLL
    assert await count_changes(fleet.engine, Cause.TIME) == dict.fromkeys(here, 1)
    assert await pending(fleet.engine) == hanging.engine.hanging
    hanging.engine.hanging = set()
    for _ in range(PASS_OVER // POLL + 2):
        fleet.now += POLL
        await hanging.process.poll()
    assert await ticks(fleet.engine) == dict.fromkeys(hanging.all, 1)
    assert await pending(fleet.engine) == set()


@pytest.mark.parametrize("hanging", ["nodes"], indirect=True)
async def test_a_node_that_hangs_costs_little(hanging: Failing) -> None:
    """Two late statements find it, whatever the number of workspaces, and one asks for it each minute."""
    fleet, engine, scheduler = hanging.fleet, hanging.engine, hanging.process.scheduler
    await scheduler.advance_clocks()
    assert engine.late == 2
    assert set(await ticks(fleet.engine)) == hanging.all - engine.hanging
    for minutes in range(3):
        while engine.late == 2 + minutes:
            await hanging.process.leases.renew()
            await scheduler.advance_clocks()
            await hanging.process.run_tasks()
            fleet.now += POLL
        assert engine.late == 3 + minutes
    assert fleet.now > NOW + 2 * dates.DAY + 3 * PASS_OVER


def test_a_node_that_nobody_asks_again_is_forgotten() -> None:
    """Its workspaces belong to another process, or it was removed: looks are one statement again."""
    now = NOW
    passed_over = PassedOver(lambda: now)
    passed_over.add_node(1)
    assert passed_over.has_node(1)
    assert not passed_over.is_to_be_tried(1)
    assert not passed_over.is_empty("x")
    now += PASS_OVER
    assert passed_over.is_to_be_tried(1)
    now += 2 * PASS_OVER
    assert passed_over.is_empty("x")
    assert not passed_over.has_node(1)


async def test_a_node_that_begins_to_hang_ends_a_tick(
    hanging: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick that waits for it is cancelled, and so is a task; those of the other nodes go on."""
    engine, gone = hanging.engine, {*hanging.engine.hanging}
    engine.hanging = set()
    find = hanging.process.leases.sweeper.find

    async def find_then_hang(*look: Any) -> Any:
        engine.hanging = set()
        found = await find(*look)
        engine.hanging = gone
        return found

    monkeypatch.setattr(hanging.process.leases.sweeper, "find", find_then_hang)
    await hanging.process.poll()
    assert set(await ticks(hanging.fleet.engine)) == hanging.all - gone
    assert await pending(hanging.fleet.engine) == gone


@pytest.mark.parametrize("fault", [None, DatabaseDamaged("one page"), ValueError("a bug")])
async def test_a_slow_workspace_is_no_node_that_hangs(
    hanging: Failing, monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    """A task that takes long goes on as long as its node answers; a late look stops its own kind only."""
    sweeper, engine = hanging.process.leases.sweeper, hanging.engine
    (slow, *_), engine.hanging = sorted(engine.hanging), set()
    asked = asyncio.Semaphore(0)
    touch = workspaces.touch

    async def count(tenant: Any) -> None:
        await touch(tenant)
        loop.call_soon_threadsafe(asked.release)
        if fault is not None:
            raise fault

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(workspaces, "touch", count)

    async def work() -> str:
        for _ in range(3):
            await asked.acquire()
        return "done"

    assert await sweeper.watch(slow, work()) == "done"
    await sweeper.pass_over("look", slow, DeadlineExceeded("late"))
    assert [sweeper.passes_over(kind, slow) for kind in ("look", "other")] == [True, False]


async def test_metrics_of_the_nodes_that_answer(hanging: Failing) -> None:
    """They are the sums over their workspaces; a database that tells no nodes has none."""
    fleet, engine = hanging.fleet, hanging.engine
    found = await metrics.load_from_nodes(engine, Nodes(engine, fleet.clock), fleet.clock)
    if not engine.tells_nodes:
        assert found is None
        return
    assert found is not None
    whole = await fleet.engine.read(lambda tx: metrics.load(tx, fleet.now))
    here = len(hanging.all - engine.hanging)
    assert (whole.pending_segments, whole.is_complete) == (len(hanging.all), True)
    assert (found.pending_segments, found.is_complete) == (here, False)
    assert found.uncompacted_changes == here
    assert (found.due_since, found.oldest_evaluation) == (whole.due_since, whole.oldest_evaluation)
    engine.hanging = hanging.all
    assert await metrics.load_from_nodes(engine, Nodes(engine, fleet.clock), fleet.clock) is None


async def test_deliveries_beside_workspaces_that_hang(hanging: Failing) -> None:
    """Receivers of the others get theirs, also at once after a write."""
    fleet, gone = hanging.fleet, hanging.engine.hanging
    async with receiving() as receiver:
        boxes = [Outbox(fleet.engine, world.caller, fleet.now) for world in hanging.worlds]
        await write_deliveries(boxes, receiver)
        worker = boxes[0].worker()
        worker.deliveries = Deliveries(hanging.process.leases.sweeper, lambda: 0)
        worker.wake(hanging.all)
        for _ in range(4):
            await deliver(worker)
            await hanging.process.leases.renew()
        assert sorted(receiver.emails) == sorted(f"w{number}@example.com" for number in hanging.all - gone)
        worker.sender.close()


async def test_a_clock_that_fails_is_passed_over(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node may go away between the look and the tick."""
    failing.engine.away = set()
    tick, bad = writer.tick, failing.worlds[0].caller.workspace
    tried: list[int] = []

    async def break_down(tenant: Any, now: int, min_interval: int) -> None:
        tried.append(tenant.workspace)
        if tenant.workspace == bad:
            raise DatabaseBusy("no lock became free in time")
        await tick(tenant, now, min_interval)

    monkeypatch.setattr(scheduling, "tick", break_down)
    for _ in range(3):
        await failing.process.scheduler.advance_clocks()
    assert sorted(tried) == sorted(failing.all)
    assert set(await ticks(failing.fleet.engine)) == failing.all - {bad}


async def test_deliveries_of_the_others_go_on(failing: Failing) -> None:
    """More receivers wait on the node than a process serves at the same time."""
    fleet, away = failing.fleet, {*failing.engine.away}
    async with receiving() as receiver:
        boxes = [Outbox(fleet.engine, world.caller, fleet.now) for world in failing.worlds]
        await write_deliveries(boxes, receiver)
        worker = boxes[0].worker()
        worker.deliveries = Deliveries(failing.process.leases.sweeper, lambda: 0)
        await deliver(worker)
        here = sorted(f"w{number}@example.com" for number in failing.all - away)
        assert sorted(receiver.emails) == here
        # Whoever wrote looks at the workspace, and does not wait for one that is away.
        for box in boxes:
            await box.create_contact(f"again{box.caller.workspace}")
            worker.wake([box.caller.workspace])
        await worker._look()
        await deliver(worker)
        assert len(receiver.emails) == 2 * len(here)
        worker.sender.close()


async def write_deliveries(boxes: Sequence[Outbox], receiver: Receiver) -> None:
    for box in boxes:
        await box.register(f"{receiver.url}/{box.caller.workspace}")
        await box.create_contact(f"w{box.caller.workspace}")


async def test_a_webhook_that_fails_leaves_its_slot(
    failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rests, and the others are served although the process serves one at a time."""
    monkeypatch.setattr("diglot.webhooks.worker.MAX_CONCURRENT_TURNS", 1)
    engine = failing.engine
    away, engine.away = {*engine.away}, set()
    async with receiving() as receiver:
        boxes = [Outbox(failing.fleet.engine, world.caller, failing.fleet.now) for world in failing.worlds]
        await write_deliveries(boxes, receiver)
        worker = boxes[0].worker()
        worker.deliveries = Deliveries(failing.process.leases.sweeper, lambda: 0)
        await worker._look()
        engine.away = away
        await deliver(worker)
        assert len(receiver.emails) == len(failing.all - away)
        worker.sender.close()


# The sweeper


async def test_a_database_that_is_away_is_no_matter_of_workspaces(
    failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is passed over: the work goes on as soon as it answers."""
    engine = failing.engine
    engine.away = set()

    async def fail(*_: object, **__: object) -> None:
        raise DatabaseAway("no answer")

    with monkeypatch.context() as patch:
        for name in ("read", "write", "ping"):
            patch.setattr(engine, name, fail)
        with pytest.raises(DatabaseAway):
            await failing.process.scheduler.advance_clocks()
    await failing.process.scheduler.advance_clocks()
    assert set(await ticks(failing.fleet.engine)) == failing.all


async def test_a_fault_of_all_workspaces_is_raised(fleet: Fleet) -> None:
    """A bug in a statement is not looked for in each of thousands of workspaces."""
    for n in range(3 * MAX_FAILURES):
        name = f"w{n}"
        await fleet.engine.write(
            lambda tx, name=name: get_or_create_workspace(tx, name, "UTC", NOW)  # type: ignore[misc]
        )
    tried = 0

    async def look(_: Transaction, scope: Scope) -> list[int]:
        nonlocal tried
        tried += 1
        raise ValueError(len(scope.shares))

    with pytest.raises(ValueError, match="16"):
        await Sweeper(fleet.engine, fleet.clock).find("look", look)
    assert tried <= MAX_FAILURES + 2


async def test_a_queue_that_fails_stops_no_other(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without first evaluations there are still verifications."""
    await create_worlds(fleet, 2)
    process = fleet.join()
    await process.leases.renew()
    fleet.now += 2 * dates.DAY
    await process.leases.renew()

    async def fail(*_: object) -> None:
        raise DatabaseBusy("no lock became free in time")

    monkeypatch.setattr(due_work, "list_pending_segments", fail)
    await process.run_tasks()
    found = await fleet.engine.read(lambda tx: metrics.load(tx, fleet.now))
    assert found.verified_segments == 2
    assert "evaluate: cannot look for tasks" in caplog.text
