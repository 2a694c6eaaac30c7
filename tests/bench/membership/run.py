"""One run: build or take up a database, measure part by part, print the tables."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import asyncpg

from bench.membership import evaluations, memory, over_http, places, reads, rivals, unsaved, writes
from bench.membership.build import build
from bench.membership.notes import Note, read
from bench.membership.places import Place
from bench.membership.report import Line, Outcome, lines_table
from bench.membership.store import Store, opened

SMALL = 10_000
Part = Callable[[Store, Store], Awaitable[Outcome]]


def _one(part: Callable[[Store], Awaitable[Outcome]]) -> Part:
    return lambda store, _: part(store)


# In the order of the run: what only reads comes first, and what lets the system's own clock in comes last.
PARTS: dict[str, Part] = {
    "count": reads.counts,
    "page": _one(reads.pages),
    "refresh": _one(evaluations.refreshes),
    "all": _one(evaluations.refresh_of_all),
    "slide": _one(evaluations.slides),
    "bytes": _one(evaluations.sizes),
    "unsaved": _one(unsaved.totals),
    "peers": _one(rivals.compare),
    "update": _one(writes.changes),
    "import": _one(writes.imports),
    "http": _one(over_http.costs),
    "memory": _one(memory.watch),
}


async def run(kind: str, contacts: int, keep: str | None, only: Sequence[str]) -> None:
    """Measure on one kind of database and print each table as soon as it is there."""
    now = time.time_ns() // 1_000
    with places.place(kind, keep) as place:
        built = partial(_built, place, now=now)
        url, note = await built(f"diglot_bench_{contacts}", contacts)
        small_url, small_note = await built("diglot_bench_small", SMALL, writes=False)
        lines: list[Line] = []
        async with (
            opened(url, note, place.note(f"diglot_bench_{contacts}"), now) as store,
            opened(small_url, small_note, place.note("diglot_bench_small"), now) as small,
        ):
            for name, part in PARTS.items():
                if not only or name in only:
                    outcome = await part(store, small)
                    print(f"\n### {name}\n\n{lines_table(outcome.lines)}\n\n{outcome.details}", flush=True)
                    lines += outcome.lines
        print(f"\n## {kind}, {contacts:,} contacts: all figures\n\n{lines_table(lines)}\n", flush=True)


async def _built(
    place: Place, name: str, contacts: int, *, now: int, writes: bool = True
) -> tuple[str, Note]:
    """Return a database that was kept, or one built now."""
    path = place.note(name)
    note = read(path, contacts)
    url = await place.database(name, anew=note is None)
    if note is None:
        path.unlink(missing_ok=True)
        note = await build(url, contacts, now, writes=writes)
        await _settle(url)
        note.write(path)
    return url, note


async def _settle(url: str) -> None:
    """Have PostgreSQL clean up and look at what was built, as it would have done by and by."""
    if url.startswith("postgres"):
        connection: Any = await asyncpg.connect(url)
        await connection.execute("VACUUM ANALYZE", timeout=None)
        await connection.execute("CHECKPOINT")
        await connection.close()
