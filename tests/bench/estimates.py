"""Compares the wall time of estimates of unsaved conditions with hand-written SQL on the same tables."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from bench.data import NOW
from bench.hand_written import CONDITIONS, HandWritten
from bench.progress import Progress
from bench.store import Filled
from diglot.api.rules.reading import read_condition
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS
from diglot.membership import read as membership_read
from diglot.membership.read import MembershipQuery
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.tenant import bind_workspace

ROUNDS = 3
Count = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Line:
    """The measurements of one condition: seconds of each round on both sides."""

    name: str
    members: int
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """Return the ratio of the fastest rounds, because these have the least noise."""
        return min(self.ours) / min(self.theirs)


def report(filled: Filled) -> str:
    """Measure every condition and return the table."""
    return table(asyncio.run(measure(filled.url, filled.workspace)))


async def measure(url: str, workspace: int) -> list[Line]:
    """Measure every condition on the contacts of a workspace."""
    engine = create_engine(url)
    await engine.open()
    driver = await _driver(url)
    results = []
    try:
        with Progress("unsaved conditions", len(CONDITIONS)) as progress:
            for condition in CONDITIONS:
                results.append(await _line(engine, driver, workspace, condition))
                progress.step()
        return results
    finally:
        await engine.close()


async def _line(engine: Engine, driver: Any, workspace: int, condition: HandWritten) -> Line:
    node = check_condition(read_condition(json.loads(condition.wire), WORDS))
    relation = MembershipQuery(node, NOW, ZoneInfo("UTC"))

    async def ours() -> int:
        return await engine.read(
            bind_workspace(workspace, lambda tenant: membership_read.count_members(tenant, relation))
        )

    async def theirs() -> int:
        count: int = await driver(engine.backend.name, condition, workspace)
        return count

    members, wanted = await ours(), await theirs()
    if members != wanted:
        raise RuntimeError(f"{condition.name}: {members} members, by hand {wanted}")
    line = Line(condition.name, members, [], [])
    for _ in range(ROUNDS):
        line.ours.append(await _seconds(ours))
        line.theirs.append(await _seconds(theirs))
    return line


async def _seconds(count: Count) -> float:
    started = time.perf_counter()
    await count()
    return time.perf_counter() - started


async def _driver(url: str) -> Any:
    if url.startswith("postgres"):
        connection = await asyncpg.connect(url, server_settings={"jit": "off"})

        async def ask(backend: str, condition: HandWritten, workspace: int) -> Any:
            return await connection.fetchval(condition.sql(backend), workspace)

        return ask
    file = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("cache_size=-65536", "mmap_size=8589934592"):
        file.execute(f"PRAGMA {pragma}")

    async def read(backend: str, condition: HandWritten, workspace: int) -> Any:
        return file.execute(condition.sql(backend), (workspace,)).fetchone()[0]

    return read


def table(lines: list[Line]) -> str:
    """Return the table and the median of the ratios."""
    rows = ["| condition | members | ours ms | by hand ms | ratio |", "|---|---|---|---|---|"]
    for line in lines:
        ours, theirs = min(line.ours) * 1000, min(line.theirs) * 1000
        rows.append(f"| {line.name} | {line.members:,} | {ours:.0f} | {theirs:.0f} | {line.ratio:.2f} |")
    median = statistics.median(line.ratio for line in lines)
    return "\n".join([*rows, f"\nmedian ratio of {len(lines)} conditions: {median:.2f}"])
