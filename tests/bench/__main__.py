"""`python -m bench http|estimate|forward` in the folder tests: builds its own data and prints a table."""

import argparse
import asyncio
from collections.abc import Callable

from bench import estimates, forwarding, http_cost
from bench.store import Filled, filled
from engines import DATABASES, Database

SIZES = {"http": 10_000, "estimate": 1_000_000}


def main() -> None:
    """Run one benchmark on each database asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("benchmark", choices=[*SIZES, "forward"])
    parser.add_argument("--contacts", type=int, help="how many contacts (http 10,000; estimate 1,000,000)")
    parser.add_argument("--database", choices=[each.name for each in DATABASES], action="append")
    given = parser.parse_args()
    if given.benchmark == "forward":
        print(forwarding.report(asyncio.run(forwarding.measure())))
        return
    runs: dict[str, Callable[[Filled], str]] = {
        "http": lambda store: http_cost.table(http_cost.measure(store)),
        "estimate": estimates.report,
    }
    count = given.contacts or SIZES[given.benchmark]
    for database in DATABASES:
        if given.database is None or database.name in given.database:
            print(f"\n{given.benchmark}: {database.name}, {count:,} contacts\n", flush=True)
            with asyncio.Runner() as runner:
                print(
                    _on(database, runner, lambda url: runs[given.benchmark](filled(url, count))), flush=True
                )


def _on(database: Database, runner: asyncio.Runner, work: Callable[[str], str]) -> str:
    """Lend a database to synchronous code."""
    lent = database.empty()
    url = runner.run(lent.__aenter__())
    try:
        return work(url)
    finally:
        runner.run(lent.__aexit__(None, None, None))


main()
