"""Measures what the victim notices of each attack, on a fresh database for each, with limits of rates off."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from bench.load import memory
from bench.neighbours.attacks import ATTACKS
from bench.neighbours.preparation import SCANNED, encode, prepare_attacker, prepare_victim
from bench.neighbours.victim import GRACE_SECONDS, WARM_SECONDS, Sample, Task
from support.engines import Database
from support.paths import TESTS
from support.servers.process import ServerProcess, running

SECONDS: Final = 30
# What of a server's memory is shown; a page that processes share counts once in Pss, mapped files count too.
SIZES: Final = ("Pss", "VmRSS", "Anonymous")
_MEMORY_EVERY: Final = 0.25


@dataclass(frozen=True)
class Outcome:
    """What the victim measured alone and with an attack, the peaks of memory, and the attacker's answers."""

    attack: str
    workers: int
    alone: Sequence[Sample]
    beside: Sequence[Sample]
    memory: Mapping[str, int]
    answers: Mapping[str, int]


async def measure(
    database: Database, workers: int, seconds: float, attacks: Sequence[str]
) -> Sequence[Outcome]:
    """Measure attacks one after another."""
    return [await _measure_one(database, workers, seconds, attack) for attack in attacks or ATTACKS]


async def _measure_one(database: Database, workers: int, seconds: float, attack: str) -> Outcome:
    # Killed at the end, because a server that is busy with what it was given may take minutes to stop.
    async with (
        database.fresh() as url,
        running(url, "--workers", str(workers), leaves=-signal.SIGKILL) as live,
    ):
        try:
            task = await prepare_victim(live, seconds)
            async with attacking(live, attack) as attacker:
                alone = await _samples(task)
                async with watching_memory(live) as peaks:
                    beside = await _samples(msgspec.structs.replace(task, run="beside"), attacker)
                answers = await end_attack(attacker)
        finally:
            live.kill()
    return Outcome(attack, workers, alone, beside, peaks, answers)


@asynccontextmanager
async def attacking(live: ServerProcess, attack: str, scanned: int = SCANNED) -> AsyncIterator[Process]:
    """Prepare a workspace and a process for an attack, which waits for `begin_attack`."""
    task = await prepare_attacker(live, attack, scanned)
    async with _process("bench.neighbours.attacks", encode(task)) as attacker:
        await _line(attacker, "ready")
        yield attacker


@asynccontextmanager
async def _process(module: str, argument: str) -> AsyncIterator[Process]:
    """Run a module as a process until the end of the block."""
    command = (sys.executable, "-m", module, argument)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=TESTS, limit=2**26)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _samples(task: Task, attacker: Process | None = None) -> Sequence[Sample]:
    """Let the victim call, beside an attack that begins when it is warm."""
    async with _process("bench.neighbours.victim", encode(task)) as calling:
        await _line(calling, "warm")
        if attacker is not None:
            begin_attack(attacker)
        output, _ = await asyncio.wait_for(
            calling.communicate(), WARM_SECONDS + task.seconds + 2 * GRACE_SECONDS
        )
    return msgspec.json.decode(output, type=list[Sample])


async def _line(process: Process, expected: str) -> None:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 2 * GRACE_SECONDS)
    if line.decode().strip() != expected:
        raise RuntimeError(f"{line!r} instead of {expected!r}")


def begin_attack(attacker: Process) -> None:
    """Begin a prepared attack."""
    assert attacker.stdin is not None
    attacker.stdin.write(b"go\n")


async def end_attack(attacker: Process) -> Mapping[str, int]:
    """End an attack and return the number of its answers by name."""
    assert attacker.stdin is not None
    attacker.stdin.close()
    output, _ = await asyncio.wait_for(attacker.communicate(), GRACE_SECONDS)
    answers: dict[str, int] = json.loads(output)
    return answers


@asynccontextmanager
async def watching_memory(live: ServerProcess) -> AsyncIterator[Counter[str]]:
    """Keep the largest sums of the memory of the server's processes until the end of the block, in bytes."""
    peaks: Counter[str] = Counter()
    watching = asyncio.create_task(_watch(live, peaks))
    try:
        yield peaks
    finally:
        watching.cancel()


async def _watch(live: ServerProcess, peaks: Counter[str]) -> None:
    while True:
        # A worker may end while it is read.
        with suppress(OSError):
            sizes = memory(live.pid)
            peaks.update({name: max(0, sizes[name] - peaks[name]) for name in SIZES})
        await asyncio.sleep(_MEMORY_EVERY)
