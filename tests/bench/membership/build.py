"""Builds the databases to measure: contacts and their segments.

One database holds a single workspace with thirty segments of each kind; the benchmark only reads and
refreshes it. Writes go to a copy: there the workspace has no segments, and two more workspaces hold the same
contacts with 100 and 1,000 active segments. The workspaces for writes hold at most a million contacts.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import bindparam, insert, literal, select

from bench.data import contacts as made_contacts
from bench.membership.live import active_segments
from bench.membership.notes import LIVE, MAIN, NONE, BuiltSegment, Keyring
from bench.membership.segments import BY_HAND, STATIC, Spec, all_kinds
from bench.progress import Progress
from diglot.dialects.registry import get_dialect
from diglot.model.ids import new_id
from diglot.model.segments import ManualMemberChange, MemberAction
from diglot.model.tags import DEFAULT_COLOR, Tag
from diglot.model.workspaces import Caller
from diglot.service.access.keys import Keys
from diglot.service.audience.segments import Segments
from diglot.storage import workspaces
from diglot.storage.audience import tags
from diglot.storage.connect import create_engine
from diglot.storage.contacts.rows import ROW_COLUMNS, row_of
from diglot.storage.schema import contacts, migrate
from diglot.storage.schema import tags as tag_rows
from diglot.storage.sql.engine import Engine, Limits
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace

BATCH = 5_000
COPIED_AT_ONCE = 50_000
# Below this number one process creates the rows faster than a pool of processes starts.
FEW = 20_000
UTC = ZoneInfo("UTC")

_c = contacts.c
_INSERT = Statement(insert(contacts))
_OTHERS = [column for column in contacts.columns if column.name != "workspace"]
_COPY = Statement(
    insert(contacts).from_select(
        ["workspace", *(column.name for column in _OTHERS)],
        select(bindparam("target", type_=_c.workspace.type), *_OTHERS).where(
            _c.workspace == bindparam("source"), _c.pk > bindparam("after"), _c.pk <= bindparam("last")
        ),
    )
)
_TAGS = Statement(
    select(tag_rows.c.name, tag_rows.c.contact_count)
    .where(tag_rows.c.workspace == bindparam("workspace"))
    .order_by(tag_rows.c.name)
)
_SPREAD = Statement(
    select(_c.id)
    .where(_c.workspace == bindparam("workspace"), _c.pk % bindparam("step") == literal(0))
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)


@dataclass
class Builder:
    """A database under construction."""

    engine: Engine
    now: int
    bear: Counter[str] = field(default_factory=Counter)

    @property
    def segments(self) -> Segments:
        """The service of segments at the instant of the build."""
        return Segments(self.engine, clock=lambda: self.now)

    async def key(self, workspace: str) -> Keyring:
        """Create a key of each dialect for a workspace."""
        keys = Keys(self.engine, lambda: self.now)
        return {
            name: await keys.create(get_dialect(name).key_format, workspace) for name in ("misar", "topmail")
        }

    async def caller(self, keys: Keyring) -> Caller:
        """Return the caller that holds such keys."""
        return await Keys(self.engine).authenticate("misar", keys["misar"])

    async def fill(self, workspace: int, count: int) -> None:
        """Fill a workspace with contacts; the other processors create rows while one process inserts them."""
        processors = (os.cpu_count() or 1) if count > FEW else 0
        pool = ProcessPoolExecutor(processors, get_context("spawn")) if processors else None
        ahead: deque[asyncio.Future[tuple[list[dict[str, Any]], Counter[str]]]] = deque()
        loop = asyncio.get_running_loop()
        with Progress("contacts created and inserted", count) as progress:
            for first in range(1, count + 1, BATCH):
                size = min(BATCH, count - first + 1)
                ahead.append(loop.run_in_executor(pool, rows_of, first, size, self.now))
                if len(ahead) > processors:
                    progress.step(await self._write(workspace, await ahead.popleft()))
            while ahead:
                progress.step(await self._write(workspace, await ahead.popleft()))
        if pool is not None:
            pool.shutdown()
        await self.count_tags(workspace, self.bear)

    async def _write(self, workspace: int, tables: tuple[list[dict[str, Any]], Counter[str]]) -> int:
        rows, bear = tables

        async def work(unit: WriteUnit) -> None:
            unit.take_keys("pk", len(rows))
            unit.count_contacts(len(rows))
            await unit.execute_many(_INSERT, rows)

        await self.engine.write(lock_workspace(workspace, lambda: self.now, work))
        self.bear += bear
        return len(rows)

    async def count_tags(self, workspace: int, bear: Counter[str]) -> None:
        """Insert the tag rows that writes of these contacts would have inserted."""

        async def work(unit: WriteUnit) -> None:
            new = [
                Tag(number, new_id(), name, DEFAULT_COLOR, None, count, self.now, self.now)
                for number, (name, count) in enumerate(sorted(bear.items()), unit.take_keys("tag", len(bear)))
            ]
            await tags.insert_all(unit, new)

        await self.engine.write(lock_workspace(workspace, lambda: self.now, work))

    async def copy(self, source: int, target: int, count: int, name: str) -> None:
        """Copy the contacts of a workspace to another, with their tags."""
        with Progress(f"contacts copied: {name}", count) as progress:
            for after in range(0, count, COPIED_AT_ONCE):
                last = min(after + COPIED_AT_ONCE, count)
                values = {"source": source, "target": target, "after": after, "last": last}

                async def work(unit: WriteUnit, values: dict[str, int] = values) -> None:
                    unit.take_keys("pk", values["last"] - values["after"])
                    unit.count_contacts(values["last"] - values["after"])
                    await unit.execute(_COPY, **values)

                await self.engine.write(lock_workspace(target, lambda: self.now, work))
                progress.step(last - after)
        bear = await self.engine.read(lambda tx: tx.fetch_all(_TAGS, {"workspace": source}))
        await self.count_tags(target, Counter(dict(map(tuple, bear))))

    async def create(self, caller: Caller, specs: Sequence[Spec], what: str) -> list[BuiltSegment]:
        """Create segments."""
        results: list[BuiltSegment] = []
        with Progress(what, len(specs)) as progress:
            for spec in specs:
                segment = await self.segments.create(caller, spec.new)
                results.append(BuiltSegment(segment.id, spec))
                if segment.members is None:
                    # In a large workspace the background would evaluate the segment.
                    await self.segments.refresh(caller, segment.id)
                if spec.kind == STATIC and spec.name in BY_HAND:
                    await self._put(caller, segment.id, BY_HAND[spec.name])
                progress.step()
        return results

    async def _put(self, caller: Caller, segment: str, count: int) -> None:
        state = await self.engine.read(bind_workspace(caller.workspace, workspaces.load_state))
        step = max(1, state.contact_count // count)
        values = {"workspace": caller.workspace, "step": step, "limit": count}
        ids = await self.engine.read(lambda tx: tx.fetch_all(_SPREAD, values))
        change = ManualMemberChange(MemberAction.ADD, tuple(row[0] for row in ids))
        await self.segments.change_members(caller, segment, change)


def rows_of(first: int, count: int, now: int) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the rows of contacts, and the number of contacts per tag."""
    results = list(made_contacts(count, first, seed=first, now=now))
    bear = Counter(name for contact in results for name in msgspec.json.decode(contact.tags))
    return [dict(zip(ROW_COLUMNS, row_of(contact, UTC), strict=True)) for contact in results], bear


@asynccontextmanager
async def building(url: str, now: int) -> AsyncIterator[Builder]:
    """Lend a database under construction at an instant."""
    # A busy machine may need more than the usual deadline for an index of all contacts.
    engine = create_engine(url, Limits(read_seconds=600))
    await engine.open()
    try:
        yield Builder(engine, now)
    finally:
        await engine.close()


async def fill(url: str, count: int, now: int) -> Keyring:
    """Migrate a database and fill one workspace; return its keys."""
    await migrate.upgrade_schema(url)
    async with building(url, now) as builder:
        keys = await builder.key(MAIN)
        await builder.fill((await builder.caller(keys)).workspace, count)
        return keys


async def create_kinds(url: str, keys: Keyring, now: int) -> list[BuiltSegment]:
    """Create thirty segments of each kind."""
    async with building(url, now) as builder:
        return await builder.create(await builder.caller(keys), all_kinds(now), "segments of each kind")


async def create_active(
    url: str, keys: Keyring, count: int, now: int
) -> tuple[dict[str, Keyring], dict[str, list[BuiltSegment]]]:
    """Copy the one workspace of a database to two more with active segments; return all keys and segments."""
    keyrings, live = {NONE: keys}, {NONE: list[BuiltSegment]()}
    async with building(url, now) as builder:
        source = (await builder.caller(keys)).workspace
        for name, segments in LIVE.items():
            if name != NONE:
                keyrings[name] = await builder.key(name)
                caller = await builder.caller(keyrings[name])
                # A segment is evaluated immediately while the workspace has no contacts.
                created = active_segments(segments, now)
                live[name] = await builder.create(caller, created, f"live segments: {name}")
                await builder.copy(source, caller.workspace, count, name)
    return keyrings, live
