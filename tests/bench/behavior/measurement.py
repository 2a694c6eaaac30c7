"""One run on one kind of database: build or reuse it, measure part by part, and print the tables."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bench.behavior import evaluations, live
from bench.behavior.data import prepare
from bench.membership.databases import open_built
from bench.membership.notes import MAIN
from bench.membership.places import place
from bench.membership.report import Outcome, lines_table
from bench.membership.store import Store

EVENTS: Final = 10_000_000
Part = Callable[[Store], Awaitable[Outcome]]
# In the order of the run: the last parts leave segments behind.
PARTS: Final[dict[str, Part]] = {
    "evaluations": evaluations.compare,
    "writes": live.write_events,
    "clock": lambda store: live.advance(store, store.note.keys[MAIN]),
}


async def run(kind: str, sizes: tuple[int, int], keep: str | None, only: Sequence[str], now: int) -> None:
    """Measure with a number of contacts and of events, and print each table as soon as it is complete."""
    contacts, events = sizes
    with place(kind, keep) as where:
        name = await prepare(where, contacts, events, now)
        for part, measure in PARTS.items():
            if only and part not in only:
                continue
            async with await open_built(where, name, now) as store:
                outcome = await measure(store)
            broken = sum(line.reached == "NO" for line in outcome.lines)
            verdict = f"{broken} of {len(outcome.lines)} bars BROKEN" if broken else "all bars kept"
            print(f"\n### {part}: {verdict}\n\n{lines_table(outcome.lines)}\n\n{outcome.details}", flush=True)
