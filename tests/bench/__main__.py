"""Run a benchmark and print its tables: `python -m bench http`, with one of the names below."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import analysis, console, estimates, exporting, forwarding, http_cost, start
from bench.behavior import measurement as behavior
from bench.evaluation import measurement as evaluation
from bench.fleet import measurement as fleets
from bench.fleet.report import report as report_fleets
from bench.membership import run
from bench.neighbours import measurement
from bench.neighbours.attacks import ATTACKS
from bench.neighbours.report import report as report_neighbours
from bench.store import Filled, fill_sync
from support.engines import DATABASES, Database

SIZES = {
    "analysis": 1_000_000,
    "console": 1_000_000,
    "http": 10_000,
    "estimate": 1_000_000,
    "export": 1_000_000,
    "membership": 1_000_000,
    "behavior": 1_000_000,
}


def main() -> None:
    """Run one benchmark on each requested database."""
    given = _arguments().parse_args()
    if given.benchmark in _WITHOUT_DATABASE:
        _WITHOUT_DATABASE[given.benchmark](given)
        return
    databases = [each for each in DATABASES if given.database is None or each.name in given.database]
    if given.benchmark in _WITH_OPTIONS:
        for database in databases:
            _WITH_OPTIONS[given.benchmark](database, given)
        return
    count = given.contacts or SIZES[given.benchmark]
    for database in databases:
        print(f"\n{given.benchmark}: {database.name}, {count:,} contacts\n", flush=True)
        if given.benchmark == "membership":
            asyncio.run(run.run(database.name, count, given.keep, given.only or ()))
        elif given.benchmark in _KEPT:
            now = time.time_ns() // 1_000
            measured = _KEPT[given.benchmark](database.name, count, given.keep, now)
            print(asyncio.run(measured), flush=True)
        elif given.benchmark == "export":
            print(exporting.report(asyncio.run(exporting.measure(database, count))), flush=True)
        else:
            _in_turn(database, given.benchmark, count)


_KEPT = {"analysis": analysis.run, "console": console.run}
_WITHOUT_DATABASE: dict[str, Callable[[argparse.Namespace], None]] = {
    "evaluation": lambda given: evaluation.run(
        given.segments or evaluation.SIZES, with_hostile=not given.segments
    ),
    "forward": lambda _: print(forwarding.report(asyncio.run(forwarding.measure()))),
    "start": lambda given: print(start.report(given.rounds, given.python, given.others, given.before)),
}


def _measure_neighbours(database: Database, given: argparse.Namespace) -> None:
    for workers in given.workers or (1,):
        seconds = given.seconds or measurement.SECONDS
        outcomes = asyncio.run(measurement.measure(database, workers, seconds, given.attack or ()))
        load = os.getloadavg()[0]
        print(f"\nneighbours: {database.name}, {workers} workers, load average at the end {load:.0f}\n")
        print(report_neighbours(outcomes), flush=True)


def _measure_fleets(database: Database, given: argparse.Namespace) -> None:
    sizes, processes = given.workspaces or (100, 1_000), given.processes or (1, 2, 4)
    run = asyncio.run(
        fleets.measure(database, sizes, processes, given.seconds or fleets.SECONDS, given.writes)
    )
    print(f"\nfleet: {database.name}, load average at the end {os.getloadavg()[0]:.0f}\n")
    print(report_fleets(run), flush=True)


def _measure_behavior(database: Database, given: argparse.Namespace) -> None:
    count = given.contacts or SIZES["behavior"]
    print(f"\nbehavior: {database.name}, {count:,} contacts, {given.events:,} events\n", flush=True)
    sizes, now = (count, given.events), time.time_ns() // 1_000
    asyncio.run(behavior.run(database.name, sizes, given.keep, given.part or (), now))
    print(f"\nload average at the end {os.getloadavg()[0]:.0f}\n", flush=True)


_WITH_OPTIONS: dict[str, Callable[[Database, argparse.Namespace], None]] = {
    "behavior": _measure_behavior,
    "fleet": _measure_fleets,
    "neighbours": _measure_neighbours,
}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "benchmark", choices=[*SIZES, "evaluation", "fleet", "forward", "neighbours", "start"]
    )
    parser.add_argument("--contacts", type=int, help="number of contacts (http 10,000; others 1,000,000)")
    parser.add_argument("--database", choices=[each.name for each in DATABASES], action="append")
    parser.add_argument(
        "--keep",
        metavar="DIR",
        help="membership, analysis, behavior, console: keep the databases in this folder for another run",
    )
    parser.add_argument(
        "--only", choices=list(run.PARTS), action="append", help="membership: measure only this part"
    )
    parser.add_argument(
        "--events",
        type=int,
        default=behavior.EVENTS,
        help=f"behavior: number of events ({behavior.EVENTS:,})",
    )
    parser.add_argument(
        "--part", choices=list(behavior.PARTS), action="append", help="behavior: measure only this part"
    )
    parser.add_argument(
        "--rounds", type=int, default=start.ROUNDS, help="start: how often each server starts"
    )
    parser.add_argument(
        "--others",
        metavar="VENV",
        type=Path,
        help=f"start: an environment with {' and '.join(start.OTHERS)}; made for the run without this option",
    )
    parser.add_argument(
        "--python", default=sys.executable, help="start: an interpreter with the dependencies of Diglot alone"
    )
    parser.add_argument(
        "--before", metavar="SRC", type=Path, help="start: another source folder, to compare its start"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"neighbours: how long the victim calls, alone and with ({measurement.SECONDS:g});"
        f" fleet: how long each phase lasts ({fleets.SECONDS:g})",
    )
    parser.add_argument(
        "--segments",
        type=int,
        action="append",
        help="evaluation: number of segments (1,000 and 10,000, and then hostile ones)",
    )
    _add_neighbours(parser.add_argument_group("neighbours"))
    _add_fleet(parser.add_argument_group("fleet"))
    return parser


def _add_neighbours(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--attack", choices=list(ATTACKS), action="append", help="only this attack")
    group.add_argument(
        "--workers", type=int, choices=(1, 2, 4), action="append", help="workers of the server (1)"
    )


def _add_fleet(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--workspaces", type=int, action="append", help="how many there are (100 and 1,000)")
    group.add_argument("--processes", type=int, action="append", help="how many there are (1, 2 and 4)")
    group.add_argument(
        "--writes", type=float, default=fleets.WRITES, help="writes a second of the whole fleet (20)"
    )


def _in_turn(database: Database, benchmark: str, count: int) -> None:
    runs: dict[str, Callable[[Filled], str]] = {"http": http_cost.report, "estimate": estimates.report}
    with asyncio.Runner() as runner:
        print(_on(database, runner, lambda url: runs[benchmark](fill_sync(url, count))), flush=True)


def _on(database: Database, runner: asyncio.Runner, work: Callable[[str], str]) -> str:
    """Lend a database to synchronous code."""
    lent = database.empty()
    url = runner.run(lent.__aenter__())
    try:
        return work(url)
    finally:
        runner.run(lent.__aexit__(None, None, None))


if __name__ == "__main__":
    main()
