"""Indexes the conditions of a large workspace before a write of contacts locks it.

On SQLite all workspaces wait for a write, and indexing 10,000 conditions takes a quarter of a second. What
remains to index inside of the write is what another request has changed since.
"""

import asyncio
from typing import Final

from diglot.caches import CacheSlot
from diglot.membership.active_segments import CACHE, ActiveSegments, find_no_segments, get_active_segments
from diglot.storage import workspaces
from diglot.storage.sql.engine import Engine, NestedEngine
from diglot.storage.tenant import Tenant, bind_workspace

# Conditions of fewer bytes, about 450 rules, are indexed inside of the write, in about 10 ms.
LARGE: Final = 1_000_000
# The work in progress by workspace, so that parallel requests wait for one.
_IN_PROGRESS: Final = CacheSlot[dict[int, asyncio.Task[None]]]("indexing", 0, lambda _: {})


async def index_ahead(engine: Engine, workspace: int) -> None:
    """Index what a write of contacts needs, unless that is little, or done already."""
    if isinstance(engine, NestedEngine):
        return
    active = engine.process_cache.of(CACHE).get(workspace)
    if active is not None and (active.weight < LARGE or active.is_prepared):
        return
    tasks = engine.process_cache.of(_IN_PROGRESS)
    task = tasks.get(workspace)
    if task is None:
        task = tasks[workspace] = asyncio.create_task(_index(engine, workspace))
        task.add_done_callback(lambda _: tasks.pop(workspace, None))
    # A client that leaves must not end the work for the others.
    await asyncio.shield(task)


async def _index(engine: Engine, workspace: int) -> None:
    active = await engine.read(bind_workspace(workspace, _load), workspace=workspace)
    if active.weight >= LARGE:
        await engine.run_off_loop(active.prepare)


async def _load(tenant: Tenant) -> ActiveSegments:
    state = await workspaces.load_state(tenant)
    if state.segments_version:
        return await get_active_segments(tenant, state.segments_version, state.zone)
    # That there is none is cached too, so that the next write reads nothing ahead.
    return find_no_segments(tenant, state.zone)
