"""The functions below the services that the benchmark uses; keep them in step with the product."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from pyroaring import BitMap

from bench.membership.notes import BuiltSegment
from diglot.conditions import tree
from diglot.membership import compaction, evaluate, read
from diglot.membership import count as membership_count
from diglot.membership.read import MembershipQuery
from diglot.membership.writer import append_changes, load_active_segments, open_writer, tick
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.workspaces import Caller
from diglot.service.audience.membership_history import find_entry_origin
from diglot.storage.audience import segments
from diglot.storage.contacts import queries, scans
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace

UTC = ZoneInfo("UTC")


async def stored_count(tenant: Tenant, id_: str, now: int) -> int:
    """Return the count of a saved segment as a read computes it, below the services."""
    saved = await membership_count.find_stored_count(tenant, id_, now)
    if saved is not None:
        return saved.members
    result = await segments.find_with_state(tenant, id_)
    assert result is not None
    segment, state = result
    return await read.count_members(tenant, MembershipQuery.for_segment(segment, now, state))


def raw_count(workspace: int, node: tree.Node, backend: Backend, now: int) -> tuple[str, Sequence[Any]]:
    """Return the scan that counts a condition, for the driver: its SQL and its values."""
    statement = scans.build_scan(scans.COUNT, node, backend, now, UTC)
    sql = statement.sql_for(backend)
    return sql.text, sql.positional_values(statement.values | {"workspace": workspace})


def scan_of_keys(count: str) -> str:
    """Return the scan that lists the keys instead of counting them."""
    result = count.replace("count(*) AS count_1", "contacts.pk", 1)
    assert result != count
    return result


async def refresh_all(engine: Engine, caller: Caller) -> None:
    """Evaluate every active segment of a workspace again, in full."""
    await engine.write(lock_workspace(caller.workspace, lambda: 0, evaluate.reevaluate_all_segments))


async def advance_clock(engine: Engine, caller: Caller, now: int) -> None:
    """Bring the clock of a workspace to an instant, as the background does every few seconds."""
    await engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, now)))


async def move_by_hand(
    engine: Engine, caller: Caller, segment: int, moves: Sequence[tuple[BitMap, BitMap]], now: int
) -> None:
    """Log who enters and leaves a static segment in some writes of an instant, and compact the log."""

    async def work(unit: WriteUnit) -> None:
        writer = await open_writer(unit)
        for entered, left in moves:
            change = SegmentChange(segment, list(entered), list(left))
            await append_changes(writer, [change], ChangeOrigin(now, Cause.BY_HAND))
        await compaction.compact_log(unit, await load_active_segments(unit))

    await engine.write(lock_workspace(caller.workspace, lambda: now, work))


async def ask_each_segment(
    engine: Engine, caller: Caller, contact: str, built: Sequence[BuiltSegment], now: int
) -> list[str]:
    """Return the segments that have a contact, asking each of them whether, and since when."""

    async def work(tenant: Tenant) -> list[str]:
        found = await queries.find_contact_by_id(tenant, contact)
        assert found is not None
        ids = []
        for item in built:
            result = await segments.find_with_state(tenant, item.id)
            assert result is not None
            segment, state = result
            if await read.has_member(tenant, MembershipQuery.for_segment(segment, now, state), found.pk):
                await find_entry_origin(tenant, segment, found.pk, state)
                ids.append(item.id)
        return ids

    return await engine.read(bind_workspace(caller.workspace, work))


async def slide(engine: Engine, caller: Caller, before: int, after: int) -> bool:
    """Move the relative-date segments of a workspace from one instant to a later one."""
    await engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, before)))
    await engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, after)))
    return True
