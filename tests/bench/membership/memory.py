"""Measures the memory of a server process during counts, pages, updates and imports."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx

from bench.load import MEGABYTE, family, memory, memory_of, reset_peaks
from bench.membership.notes import THOUSAND
from bench.membership.report import NOTHING, Line, Outcome, at_most, format_number, table
from bench.membership.store import Store
from bench.membership.writes import next_batch, planned_changes
from bench.progress import Progress
from diglot.model.contacts import ContactChange
from support.servers.process import ServerProcess, running

QUARTERS = 4
# In each quarter of the run.
COUNTS, PAGES, UPDATES, IMPORTS = 1_000, 200, 500, 3
AT_ONCE = 16
MAX_IDLE_MEBIBYTES = 150
# The memory may grow by this ratio from the first quarter to the end and still count as flat.
FLAT = 1.1


@dataclass
class _Busy:
    """Load for a server: requests of every kind in a workspace with a thousand active segments."""

    store: Store
    client: httpx.AsyncClient
    rng: Random = field(default_factory=lambda: Random(1))

    async def quarter(self) -> None:
        """Run a quarter of the load; its updates and imports are those of the benchmark of writes."""
        live = [self.rng.choice(self.store.note.live[THOUSAND]).id for _ in range(COUNTS + PAGES)]
        await self._many([self._get("misar", _counted(id_)) for id_ in live[:COUNTS]])
        offsets = [self.rng.randrange(self.store.note.contacts // 10) for _ in range(PAGES)]
        pages = [_paged(id_, offset) for id_, offset in zip(live[COUNTS:], offsets, strict=True)]
        await self._many([self._get("topmail", page) for page in pages])
        planned = await planned_changes(self.store, UPDATES, self.rng)
        await self._many([self._change(id_, change) for id_, change in planned])
        for _ in range(IMPORTS):
            await self._import(await next_batch(self.store, self.rng))

    async def _many(self, calls: Sequence[Awaitable[None]]) -> None:
        for first in range(0, len(calls), AT_ONCE):
            await asyncio.gather(*calls[first : first + AT_ONCE])

    def _key(self, dialect: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.store.note.keys[THOUSAND][dialect]}"}

    async def _get(self, dialect: str, path: str) -> None:
        (await self.client.get(path, headers=self._key(dialect))).raise_for_status()

    async def _change(self, id_: str, change: ContactChange) -> None:
        answer = await self.client.patch(
            f"/mail/v1/contacts/{id_}", json=_body(change), headers=self._key("misar")
        )
        answer.raise_for_status()

    async def _import(self, batch: Sequence[ContactChange]) -> None:
        answer = await self.client.post(
            "/mail/v1/contacts/import",
            json={"contacts": [_body(change) for change in batch]},
            headers=self._key("misar"),
        )
        answer.raise_for_status()


def _counted(segment: str) -> str:
    return f"/mail/v1/segments/{segment}"


def _paged(segment: str, offset: int) -> str:
    return f"/api/v1/segments/{segment}/contacts?limit=100&offset={offset}"


def _body(change: ContactChange) -> dict[str, Any]:
    """Return an update as a client sends it."""
    values = {
        name: datetime.fromtimestamp(value / 1_000_000, UTC).isoformat()
        if name.startswith("last_") and name.endswith("_at") and value is not None
        else value
        for name, value in change.values.items()
    }
    return values | ({"custom_fields": change.attributes} if change.attributes else {})


async def watch(store: Store) -> Outcome:
    """Watch the memory from the idle start to the end of the load."""
    await store.evaluate(THOUSAND)
    async with running(store.url) as live, httpx.AsyncClient(base_url=live.base, timeout=300) as client:
        reset_peaks(live.pid)
        each = ", ".join(f"{format_number(memory_of(pid)['Pss'] / MEGABYTE)} MiB" for pid in family(live.pid))
        taken = [(f"idle after the start ({each})", _sizes(live))]
        busy = _Busy(store, client)
        with Progress("a server under load", QUARTERS) as progress:
            for quarter in range(QUARTERS):
                await busy.quarter()
                progress.step()
                taken.append((f"after quarter {quarter + 1} of the work", _sizes(live)))
    return _outcome(store, taken)


def _sizes(live: ServerProcess) -> dict[str, float]:
    return {name: size / MEGABYTE for name, size in memory(live.pid).items()}


def _outcome(store: Store, taken: Sequence[tuple[str, dict[str, float]]]) -> Outcome:
    idle, warm, end = (taken[index][1] for index in (0, 1, -1))
    peak = end["VmHWM"]
    lines = [
        _line(
            f"memory of a server, idle, with {store.note.contacts:,} contacts, MiB",
            idle["Pss"],
            MAX_IDLE_MEBIBYTES,
        ),
        _flat("memory of a server at the end, compared with a quarter of the work, MiB", end, warm, "Pss"),
        _flat("the same without the pages of the database file that are mapped, MiB", end, warm, "RssAnon"),
    ]
    names = ("Pss", "VmRSS", "RssAnon", "RssFile", "VmHWM")
    rows = [(when, *(format_number(sizes[name]) for name in names)) for when, sizes in taken]
    head = ("MiB, all processes", "in memory", "each process's resident", "its own", "mapped files", "peak")
    return Outcome(lines, f"{table(head, rows)}\n\nPeak {format_number(peak)} MiB.")


def _line(what: str, ours: float, most: float) -> Line:
    reached = "yes" if ours <= most else "NO"
    return Line(what, format_number(ours), NOTHING, NOTHING, f"≤ {most:g}", reached)


def _flat(what: str, end: dict[str, float], warm: dict[str, float], name: str) -> Line:
    return at_most(what, format_number(end[name]), format_number(warm[name]), [end[name] / warm[name]], FLAT)
