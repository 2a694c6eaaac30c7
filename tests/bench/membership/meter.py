"""Measures wall time, CPU of this process and CPU of the database's processes; both sides in turn."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

ROUNDS = 7
# One measurement of a side lasts about this long, so short work is repeated.
SECONDS = 0.15
MAX_REPETITIONS = 2_000

# Does its work a given number of times.
Work = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Cost:
    """Seconds of one piece of work; `server` is 0 if the database runs in this process."""

    wall: float
    client: float
    server: float

    @property
    def cpu(self) -> float:
        """The CPU time of this process and of the database's processes."""
        return self.client + self.server

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall + other.wall, self.client + other.client, self.server + other.server)

    def per(self, times: int) -> "Cost":
        """Return the cost of one of a number of repetitions."""
        return Cost(self.wall / times, self.client / times, self.server / times)


Part = Callable[[Cost], float]


def wall(cost: Cost) -> float:
    """Return the wall time."""
    return cost.wall


def cpu(cost: Cost) -> float:
    """Return the CPU time of this process and of the database's processes."""
    return cost.cpu


def server(cost: Cost) -> float:
    """Return the CPU time of the database's processes, or of this process if the database runs in it."""
    return cost.server or cost.client


class Meter:
    """Measures work on one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._databases = {urlsplit(url).path.removeprefix("/")}
        self._watch: Any = None

    def with_other(self, other: "Meter") -> "Meter":
        """Return a meter of work on both databases, which share one server."""
        both = Meter(self._url)
        both._watch, both._databases = self._watch, self._databases | other._databases
        return both

    async def open(self) -> None:
        """Connect if the database's processes have to be watched."""
        if self._url.startswith("postgres"):
            self._watch = await asyncpg.connect(self._url)

    async def close(self) -> None:
        """Disconnect."""
        if self._watch is not None:
            await self._watch.close()

    async def cost(self, work: Callable[[], Awaitable[object]]) -> Cost:
        """Do the work once and return its cost."""
        servers = await self._servers()
        began, client = time.perf_counter(), time.process_time()
        await work()
        wall_, client = time.perf_counter() - began, time.process_time() - client
        used = {pid: spent - servers.get(pid, 0) for pid, spent in (await self._servers()).items()}
        return Cost(wall_, client, sum(used.values()) / 1e9)

    async def _times(self, work: Work, most: int) -> int:
        """Return the number of repetitions that makes short work last long enough; 1 for longer work."""
        times, spent = 1, 0.0
        await work(1)
        while times < most:
            began = time.perf_counter()
            await work(times)
            spent = time.perf_counter() - began
            if spent >= SECONDS / 4:
                break
            times *= 4
        return max(1, min(most, int(times * SECONDS / max(spent, 1e-9))))

    async def _servers(self) -> dict[int, int]:
        """Return the nanoseconds of CPU time of each process that serves the databases."""
        if self._watch is None:
            return {}
        rows = await self._watch.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = ANY($1) AND pid <> pg_backend_pid()",
            list(self._databases),
        )
        results = {}
        for (pid,) in rows:
            with suppress(FileNotFoundError):
                results[pid] = _nanoseconds(pid)
        return results

    async def compare(
        self,
        sides: Mapping[str, Work],
        rounds: int = ROUNDS,
        most_times: int = MAX_REPETITIONS,
        *,
        step: Callable[[], None] = lambda: None,
    ) -> "Compared":
        """Measure every side in each round, one after the other; work is done once before, as a warm-up.

        `step` is called after each round.
        """
        times: dict[str, int] = {}
        for name, work in sides.items():
            times[name] = await self._times(work, most_times)
        costs: dict[str, list[Cost]] = {name: [] for name in sides}
        for turn in range(rounds):
            # The first side alternates, because the caches that one side fills must not always help the
            # other.
            for name in list(sides)[:: -1 if turn % 2 else 1]:
                total = await self.cost(lambda name=name: sides[name](times[name]))  # type: ignore[misc]
                costs[name].append(total.per(times[name]))
            step()
        return Compared(costs)


def _nanoseconds(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


@dataclass(frozen=True)
class Compared:
    """The costs of several sides, round by round."""

    costs: Mapping[str, Sequence[Cost]]

    def median(self, side: str, part: Part) -> float:
        """Return the median of a side."""
        return statistics.median(part(cost) for cost in self.costs[side])

    def ratios(self, side: str, other: str, part: Part) -> list[float]:
        """Return the ratios of one side's cost to another's, by round."""
        pairs = zip(self.costs[side], self.costs[other], strict=True)
        return [part(one) / part(two) for one, two in pairs]
