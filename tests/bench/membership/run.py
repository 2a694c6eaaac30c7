"""One run: build or reuse a database, measure part by part, and print the tables."""

import time
from collections.abc import Awaitable, Callable, Sequence

from bench.membership import evaluations, memory, over_http, reads, rivals, unsaved, writes
from bench.membership.databases import Stores, databases
from bench.membership.places import place
from bench.membership.report import Line, Outcome, lines_table

Part = Callable[[Stores], Awaitable[Outcome]]

# In the order of the run. The parts that depend on the system's own clock come last.
PARTS: dict[str, Part] = {
    "count": lambda stores: reads.counts(stores.main, stores.small),
    "page": lambda stores: reads.pages(stores.main),
    "refresh": lambda stores: evaluations.refreshes(stores.main),
    "slide": lambda stores: evaluations.slides(stores.main),
    "unsaved": lambda stores: unsaved.totals(stores.main),
    "peers": lambda stores: rivals.compare(stores.main),
    "all": lambda stores: evaluations.refresh_of_all(stores.written),
    "bytes": lambda stores: evaluations.sizes(stores.written),
    "update": lambda stores: writes.changes(stores.written),
    "import": lambda stores: writes.imports(stores.written),
    "http": lambda stores: over_http.costs(stores.main),
    "memory": lambda stores: memory.watch(stores.written),
}


async def run(kind: str, contacts: int, keep: str | None, only: Sequence[str]) -> None:
    """Measure on one kind of database and print each table as soon as it is complete."""
    lines: list[Line] = []
    with place(kind, keep) as where:
        async with databases(where, contacts, time.time_ns() // 1_000) as stores:
            for name, part in PARTS.items():
                if not only or name in only:
                    outcome = await part(stores)
                    print(f"\n### {name}\n\n{lines_table(outcome.lines)}\n\n{outcome.details}", flush=True)
                    lines += outcome.lines
    print(f"\n## {kind}, {contacts:,} contacts: all figures\n\n{lines_table(lines)}\n", flush=True)
