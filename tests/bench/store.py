"""A workspace full of contacts, with a key and a segment of each dialect."""

import asyncio
from dataclasses import dataclass
from itertools import islice

from bench.data import contacts
from bench.progress import Progress
from diglot.clock import system_clock
from diglot.conditions import tree
from diglot.dialects.registry import get_dialect
from diglot.model.contacts import Contact
from diglot.model.segments import Condition, OriginalText
from diglot.service.access.keys import Keys
from diglot.service.audience.segments import NewSegment, Segments
from diglot.storage.connect import create_engine
from diglot.storage.contacts import attribute_keys
from diglot.storage.contacts import queries as rows
from diglot.storage.schema import migrate
from diglot.storage.sql.engine import Engine
from diglot.storage.write_unit import WriteUnit, lock_workspace

BATCH = 5_000


@dataclass(frozen=True)
class Filled:
    """What a benchmark needs for its requests: keys, ids and the number of the workspace."""

    url: str
    workspace: int
    misar_key: str
    topmail_key: str
    segments: dict[str, str]
    count: int


async def fill(url: str, count: int) -> Filled:
    """Migrate a database and fill one workspace, with a progress bar."""
    await migrate.upgrade_schema(url)
    engine = create_engine(url)
    await engine.open()
    try:
        keys = Keys(engine)
        misar = await keys.create(get_dialect("misar").key_format, "bench")
        topmail = await keys.create(get_dialect("topmail").key_format, "bench")
        caller = await keys.authenticate("misar", misar)
        await _insert(engine, caller.workspace, count)
        created: dict[str, str] = {}
        members = 0
        for dialect, source in _SOURCES.items():
            node = tree.All((tree.Predicate("attributes.plan", tree.Op.EQUALS, tree.Text("pro")),))
            new = NewSegment(f"Pro — {dialect}", Condition(node, OriginalText(dialect, source)))
            counted = await Segments(engine).create_with_count(caller, new)
            created[dialect], members = counted.segment.id, counted.count
        return Filled(url, caller.workspace, misar, topmail, created, members)
    finally:
        await engine.close()


_SOURCES = {
    "misar": '{"operator":"AND","rules":[{"field":"plan","operator":"equals","value":"pro"}]}',
    "topmail": '{"match":"all","rules":[{"field":"plan","operator":"equals","value":"pro"}]}',
}


async def _insert(engine: Engine, workspace: int, count: int) -> None:
    source = contacts(count)
    with Progress("contacts", count) as progress:
        while batch := list(islice(source, BATCH)):

            async def work(unit: WriteUnit, batch: list[Contact] = batch) -> None:
                unit.take_keys("pk", len(batch))
                unit.count_contacts(len(batch))
                await rows.insert_contacts(unit, batch, unit.zone)
                await attribute_keys.record_keys(unit, batch)

            await engine.write(lock_workspace(workspace, system_clock, work))
            progress.step(len(batch))


def fill_sync(url: str, count: int) -> Filled:
    """Fill a database from synchronous code."""
    return asyncio.run(fill(url, count))
