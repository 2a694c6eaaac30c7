"""Compares the served members of each segment with a full evaluation.

This is the only module of the tests that knows how memberships are stored.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random

from sqlalchemy import bindparam, select

from diglot.clock import system_clock
from diglot.conditions import dates, tree
from diglot.membership import read, store
from diglot.membership.read import MembershipQuery, with_next_change
from diglot.model.pages import Window
from diglot.model.segments import Segment, SegmentType
from diglot.storage import workspaces
from diglot.storage.audience import lists, segments
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts, log, log_expiry
from diglot.storage.membership.log_expiry import LogPosition
from diglot.storage.schema import workspaces as workspace_rows
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import open_unit

_UNFOLDED = Statement(
    select(workspace_rows.c.uncompacted_changes).where(workspace_rows.c.workspace == bindparam("workspace"))
)
ALL_ROWS = Window(0, 1_000_000)
_LONG = 10_000 * dates.DAY
Members = Mapping[str, Sequence[str]]


async def compare(engine: Engine, workspace: int, now: int, rng: Random) -> Members:
    """Compare members, count and a random page of every segment with its condition, in one snapshot.

    Dynamic lists are included. Return the ids of the members, newest first, by the segment's id.
    """

    async def work(tenant: Tenant) -> Members:
        results = [segment async for segment in _segments(tenant)]
        return {item.id: await _compare(tenant, item, now, rng) for item in results}

    return await engine.read(bind_workspace(workspace, work))


async def _compare_uncompacted(tenant: Tenant) -> None:
    state = await workspaces.load_state(tenant)
    rows = await log.load_between(tenant, state.compacted_to, state.last_entry)
    noted = await tenant.fetch_one(_UNFOLDED)
    assert noted is not None
    assert noted[0] == sum(len(row.changes) for row in rows)


async def stored_ids(engine: Engine, workspace: int) -> tuple[int, Members]:
    """Return the last entry of the log, and the stored members of every visible segment, by its id.

    A deleted contact is still stored in a pending segment.
    """

    async def work(tenant: Tenant) -> tuple[int, Members]:
        state = await workspaces.load_state(tenant)
        results = {}
        for item in (await segments.load_page(tenant, ALL_ROWS)).items:
            keys = list(await store.load_members(tenant, item.number, state))
            ids = await queries.load_ids_by_key(tenant, keys)
            ids |= await deleted_contacts.load_ids(tenant, keys)
            results[item.id] = [ids[key] for key in reversed(keys)]
        return state.last_entry, results

    return await engine.read(bind_workspace(workspace, work))


async def entries_after(engine: Engine, workspace: int, after: int) -> list[int]:
    """Return the entries after a given one for visible segments, deleted ones included.

    All entries exist, each once.
    """

    async def work(tenant: Tenant) -> list[int]:
        state = await workspaces.load_state(tenant)
        every: list[tuple[int, int]] = []
        async for row in log.iterate_forwards(tenant, after, state.last_entry):
            for first, change in row.changes_between(after, state.last_entry):
                every += [(first + item, change.segment) for item in range(change.entry_count)]
        assert [number for number, _ in every] == list(range(after + 1, state.last_entry + 1))
        known = await segments.load_ids(tenant, {segment for _, segment in every})
        return [number for number, segment in every if segment in known]

    return await engine.read(bind_workspace(workspace, work))


async def expire(engine: Engine, workspace: int, begins: int, rng: Random) -> int | None:
    """Delete the oldest compacted rows of the log, and the running sums that end with them.

    Return the entry after which the history is now complete, or None if no row after `begins` is compacted.
    """

    async def work(tenant: Tenant) -> int | None:
        state = await workspaces.load_state(tenant)
        rows = [
            row
            async for row in log.iterate_forwards(tenant, begins, state.last_entry)
            if row.last_entry <= state.compacted_to
        ]
        if not rows:
            return None
        last = rng.choice(rows[: max(len(rows) // 2, 1)])
        async with open_unit(tenant, system_clock) as unit:
            await log_expiry.expire_log(unit, LogPosition(last.last_entry, last.origin.at))
        return last.last_entry

    return await engine.write(bind_workspace(workspace, work))


async def _segments(tenant: Tenant) -> AsyncIterator[Segment]:
    for item in (await segments.load_page(tenant, ALL_ROWS)).items:
        yield item
    dynamic = await lists.load_page(tenant, ALL_ROWS, SegmentType.DYNAMIC, None)
    for behind in (one.segment for one, _ in dynamic.items):
        assert behind is not None
        yield behind


async def _compare(tenant: Tenant, segment: Segment, now: int, rng: Random) -> Sequence[str]:
    state = await workspaces.load_state(tenant)
    # Another process may have advanced the clock since.
    now = max(now, state.evaluated_at)
    relation = MembershipQuery.for_segment(segment, now, state)
    result = await read.load_ids(tenant, relation, ALL_ROWS)
    condition = tree.encode(segment.condition.tree)
    if segment.type is SegmentType.DYNAMIC:
        live = MembershipQuery(segment.evaluated_tree, now, state.zone)
        expected = await read.load_ids(tenant, live, ALL_ROWS)
        assert result == expected, condition
        until = (await with_next_change(tenant, segment, state, now)).next_change_at
        assert until > now, condition
        # Until this instant, the passing of time alone changes no membership.
        last = MembershipQuery(segment.evaluated_tree, min(until - 1, now + _LONG), state.zone)
        assert await read.load_ids(tenant, last, ALL_ROWS) == expected, condition
    assert await read.count_members(tenant, relation) == len(result), condition
    window = Window(rng.randint(0, len(result) + 1), rng.randint(1, 7))
    page = [contact.id for contact in await read.load_page(tenant, relation, window)]
    assert page == result[window.offset : window.offset + window.limit], condition
    return result


async def compare_replay(engine: Engine, workspace: int) -> None:
    """Compare the stored members of every segment with its log, replayed from the beginning."""

    async def work(tenant: Tenant) -> None:
        await _compare_uncompacted(tenant)
        state = await workspaces.load_state(tenant)
        members: dict[int, set[int]] = {}
        for row in await log.load_between(tenant, 0, state.last_entry):
            for change in row.changes:
                held = members.setdefault(change.segment, set())
                assert held.issuperset(change.left), row
                assert held.isdisjoint(change.entered), row
                held -= set(change.left)
                held |= set(change.entered)
        async for segment in _segments(tenant):
            stored = await store.load_members(tenant, segment.number, state)
            assert set(stored) == members.get(segment.number, set()), tree.encode(segment.condition.tree)

    await engine.read(bind_workspace(workspace, work))
