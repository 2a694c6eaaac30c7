"""Runs fleets of different sizes on databases of different numbers of workspaces."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select, update

from bench.membership.meter import Meter
from bench.progress import Progress
from diglot.background.worker import POLL_SECONDS
from diglot.clock import system_clock
from diglot.conditions import tree
from diglot.model.segments import Condition, OriginalText
from diglot.model.webhooks import WebhookEventType
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.webhooks import NewWebhook, Webhooks
from diglot.storage.connect import create_engine
from diglot.storage.schema import migrate, workspaces
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.statement import Statement
from diglot.webhooks.allowed_targets import parse_allowed_targets
from support.engines import Database
from support.servers.webhook_receiver import receiving

SECONDS: Final = 15.0
WRITES: Final = 20.0
SECOND: Final = 1_000_000
# Clocks that become due in each phase but the first.
_CLOCKS_DUE: Final = 20
_ROUNDS_OF_LEASES: Final = 3
_c = workspaces.c
_MAKE_DUE = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("of"))
    .values(next_change_at=bindparam("due"), evaluated_at=_c.evaluated_at - 60 * SECOND)
)
_CLOCKS = Statement(select(_c.workspace, _c.evaluated_at))


@dataclass(frozen=True)
class Outcome:
    """What a fleet cost in one phase: figures of one second, and microseconds from due clocks to ticks."""

    workspaces: int
    processes: int
    phase: str
    statements: float
    server_cpu: float
    process_cpu: float
    writes: float
    lags: Sequence[int]
    late: int


@dataclass(frozen=True)
class Run:
    """The outcomes on one database, and the statements that the hourly tasks of a workspace take."""

    outcomes: Sequence[Outcome]
    hourly_statements: float


async def measure(
    database: Database, sizes: Sequence[int], fleets: Sequence[int], seconds: float, writes: float
) -> Run:
    """Measure every size of the fleet with every number of workspaces, idle and with some writes."""
    outcomes: list[Outcome] = []
    hourly: list[float] = []
    async with receiving() as receiver:
        for size in sizes:
            async with database.empty() as url:
                await _fill(url, size, receiver.url)
                for processes in fleets:
                    async with _open_fleet(url, size, processes) as fleet:
                        hourly.append(await fleet.settle() / size)
                        for phase, clocks, rate in _list_phases(writes):
                            outcomes.append(await fleet.observe(phase, seconds, clocks, rate))
    return Run(outcomes, sum(hourly) / len(hourly))


def _list_phases(writes: float) -> Sequence[tuple[str, int, float]]:
    """Return the phases: their names, how many clocks become due, and the writes of a second."""
    return ("idle", 0, 0.0), ("clocks", _CLOCKS_DUE, 0.0), ("writes", _CLOCKS_DUE, writes)


async def _fill(url: str, size: int, receiver: str) -> None:
    """Create workspaces, each with a segment that time changes and a webhook."""
    await migrate.upgrade_schema(url)
    engine = create_engine(url)
    await engine.open()
    targets = parse_allowed_targets("127.0.0.0/8")
    heard = (WebhookEventType.CONTACT_CREATED,)
    seen = tree.All((tree.Predicate("last_opened_at", tree.Op.IN_LAST_DAYS, tree.Days(7)),))
    with Progress("workspaces", size) as progress:
        for number in range(size):
            name = f"w{number}"
            row = await engine.write(
                lambda tx, name=name: get_or_create_workspace(tx, name, "UTC", system_clock())  # type: ignore[misc]
            )
            caller = Caller(row.number, ZoneInfo("UTC"), "bench", frozenset())
            condition = Condition(seen, OriginalText("canonical", "{}"))
            await Segments(engine).create(caller, NewSegment("seen", condition))
            hook = NewWebhook("misar", receiver, ("contact.created",), heard, "secret")
            await Webhooks(engine, system_clock, targets).create(caller, hook)
            progress.step()
    await engine.close()


@dataclass
class _Member:
    """A process of the fleet, as its parent sees it."""

    process: asyncio.subprocess.Process

    async def ask(self, name: str, *arguments: object) -> dict[str, Any]:
        """Send a command and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer


@dataclass
class _Fleet:
    """Processes on one database."""

    engine: Engine
    meter: Meter
    members: Sequence[_Member]
    size: int

    async def settle(self) -> float:
        """Divide the leases and do what waits; return the statements of the tasks of all workspaces."""
        for _ in range(_ROUNDS_OF_LEASES):
            for member in self.members:
                await member.ask("renew")
        worked = await self._ask_all("work")
        await self._ask_all("start")
        # The first look of each process is over by then.
        await asyncio.sleep(1)
        return float(sum(answer["statements"] for answer in worked))

    async def observe(self, phase: str, seconds: float, clocks: int, writes: float) -> Outcome:
        """Count and measure for some time, in which some clocks become due."""
        due = await self._make_due(seconds, min(clocks, self.size // 2))
        await self._ask_all("begin", writes / len(self.members), self.size)
        cost = await self.meter.cost(lambda: self._wait(phase, seconds))
        answers = await self._ask_all("end")
        rows = await self.engine.read(lambda tx: tx.fetch_all(_CLOCKS))
        ticked = {workspace: at for workspace, at in rows if at >= due.get(workspace, 2**62)}
        return Outcome(
            self.size,
            len(self.members),
            phase,
            statements=sum(each.get("background", 0) for each in answers) / cost.wall,
            server_cpu=cost.server / cost.wall,
            process_cpu=sum(each["cpu"] for each in answers) / len(answers) / cost.wall,
            writes=sum(each.get("writes", 0) for each in answers) / cost.wall,
            lags=sorted(at - due[workspace] for workspace, at in ticked.items()),
            late=len(due) - len(ticked),
        )

    async def _make_due(self, seconds: float, number: int) -> dict[int, int]:
        """Let some clocks become due, early enough that the next look finds them within the phase."""
        step = round(max(seconds - POLL_SECONDS - 1, 0.5) * SECOND / max(number, 1))
        begin = system_clock() + SECOND // 10
        due = {2 * n + 1: begin + n * step for n in range(number)}
        rows = [{"of": workspace, "due": at} for workspace, at in due.items()]
        await self.engine.write(lambda tx: tx.execute_many(_MAKE_DUE, rows))
        return due

    async def _wait(self, phase: str, seconds: float) -> None:
        label = f"{self.size} workspaces, {len(self.members)} processes, {phase}"
        with Progress(label, round(seconds)) as progress:
            for _ in range(round(seconds)):
                await asyncio.sleep(1)
                progress.step()

    async def _ask_all(self, name: str, *arguments: object) -> Sequence[dict[str, Any]]:
        return await asyncio.gather(*(member.ask(name, *arguments) for member in self.members))


@asynccontextmanager
async def _open_fleet(url: str, size: int, processes: int) -> AsyncIterator[_Fleet]:
    engine, meter = create_engine(url), Meter(url)
    async with AsyncExitStack() as stack:
        await engine.open()
        stack.push_async_callback(engine.close)
        await meter.open()
        stack.push_async_callback(meter.close)
        yield _Fleet(engine, meter, [await _start(stack, url) for _ in range(processes)], size)


async def _start(stack: AsyncExitStack, url: str) -> _Member:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.fleet.member", url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    member = _Member(process)

    async def stop() -> None:
        await member.ask("stop")
        await process.wait()

    stack.push_async_callback(stop)
    return member
