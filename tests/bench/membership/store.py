"""A built database, opened: the engine of the product and the driver next to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.membership import product
from bench.membership.meter import Meter, Work
from bench.membership.notes import MAIN, THOUSAND, BuiltSegment, Note
from bench.membership.raw import Raw
from bench.membership.segments import Spec
from bench.progress import Progress
from diglot.model.workspaces import Caller
from diglot.service.access.keys import Keys
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine, NestedEngine, Transaction


@dataclass
class Store:
    """The open database that a part of the benchmark queries, at one instant."""

    url: str
    engine: Engine
    raw: Raw
    meter: Meter
    note: Note
    path: Path
    callers: dict[str, Caller]
    now: int

    @property
    def postgresql(self) -> bool:
        """Whether the database has processes of its own."""
        return self.raw.postgresql

    @property
    def main(self) -> Caller:
        """The workspace with the thirty segments of each kind."""
        return self.callers[MAIN]

    def segments(self, engine: Engine | None = None, now: int | None = None) -> Segments:
        """Return the service of segments, with an empty cache."""
        instant = self.now if now is None else now
        return Segments(engine or self.engine, clock=lambda: instant)

    def contacts(self) -> Contacts:
        """Return the service of contacts."""
        return Contacts(self.engine, clock=lambda: self.now)

    def read_work(self, ask: Callable[[Segments, Transaction, int], Any]) -> Work:
        """Return work that queries the product inside one open read transaction, one query at a time."""

        async def work(times: int) -> None:
            async def unit(transaction: Transaction) -> None:
                service = self.segments(NestedEngine(transaction))
                for turn in range(times):
                    await ask(service, transaction, turn)

            await self.engine.read(unit)

        return work

    async def count_segment(self, segment: BuiltSegment) -> int:
        """Return the count of a segment of the main workspace."""
        return (await self.segments().count_members(self.main, segment.id)).members

    async def count_by_scan(self, spec: Spec, workspace: int | None = None, now: int | None = None) -> int:
        """Return how many contacts match a condition, by a scan on the driver."""
        where = self.main.workspace if workspace is None else workspace
        instant = self.now if now is None else now
        sql, values = product.raw_count(where, spec.node, self.engine.backend, instant)
        return int(await self.raw.value(sql, *values))

    def save(self) -> None:
        """Write the note."""
        self.note.write(self.path)

    async def evaluate(self, *names: str) -> None:
        """Evaluate active segments, because the build copied their contacts without the services."""
        missing = [name for name in names if name not in self.note.evaluated]
        for name in missing:
            with Progress(f"active segments evaluated: {name}", 1) as progress:
                await product.refresh_all(self.engine, self.callers[name])
                progress.step()
            self.note_evaluated(name)

    def note_evaluated(self, name: str) -> None:
        """Note that the active segments of a workspace are evaluated."""
        self.note.evaluated = sorted({*self.note.evaluated, name})
        self.save()

    async def require_right_members(self) -> None:
        """Raise RuntimeError unless every twentieth active segment has the members of its condition."""
        workspace = self.callers[THOUSAND]
        sample = self.note.live[THOUSAND][::20]
        with Progress("active segments checked", len(sample)) as progress:
            for item in sample:
                ours = (await self.segments().count_members(workspace, item.id)).members
                require_equal(
                    item.spec.name, ours, scanned=await self.count_by_scan(item.spec, workspace.workspace)
                )
                progress.step()


def require_equal(what: str, ours: int, **others: int) -> None:
    """Raise RuntimeError if a count differs between the sides."""
    for side, count in others.items():
        if count != ours:
            raise RuntimeError(f"{what}: {ours:,} members, but {count:,} {side}")


@asynccontextmanager
async def open_store(url: str, note: Note, path: Path, now: int) -> AsyncIterator[Store]:
    """Lend a built database, opened."""
    engine, raw, meter = create_engine(url), Raw(url), Meter(url)
    for item in (engine, raw, meter):
        await item.open()
    try:
        keys = Keys(engine)
        callers = {name: await keys.authenticate("misar", one["misar"]) for name, one in note.keys.items()}
        yield Store(url, engine, raw, meter, note, path, callers, now)
    finally:
        for each in (meter, raw, engine):
            await each.close()
