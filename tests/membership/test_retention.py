"""The retention of the history: older rows expire, and memberships stay the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from diglot.background import retention
from diglot.background.retention import Retention
from diglot.conditions import dates
from diglot.membership import compaction, evaluate, store
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.storage import workspaces
from diglot.storage.membership import instant_index as stored_moments
from diglot.storage.membership import log, log_expiry
from diglot.storage.schema import deleted_contacts, deleted_segments, field_instants, membership_log_sums
from diglot.storage.schema import membership_log as log_rows
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.workspaces import WorkspaceState
from support import canonical
from support.membership.random_world import World

DAYS = 30


def _condition(written: dict[str, Any]) -> Condition:
    return Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))


VIPS = _condition({"field": "tags", "operator": "contains", "operand": "vip"})
SEEN = _condition({"field": "attributes.seen", "operator": "in_last_days", "operand": 7})


async def rows(world: World, *columns: Any) -> Sequence[Sequence[Any]]:
    """Return all rows of a table, in the order of their first columns."""
    statement = Statement(select(*columns).order_by(*columns))
    return [tuple(row) for row in await world.engine.read(lambda tx: tx.fetch_all(statement))]


async def state(world: World) -> WorkspaceState:
    """Return the state of the workspace."""
    return await world.engine.read(bind_workspace(world.caller.workspace, workspaces.load_state))


async def expire(world: World) -> int:
    """Expire all rows that are too old; return the number of transactions."""
    steps = 0
    keeping = Retention(world.engines[0], DAYS, world.clock)
    while await keeping.expire_batch(world.caller.workspace):
        steps += 1
    return steps


async def make_changes(world: World, steps: int) -> None:
    """Make many changes on one day."""
    for _ in range(steps):
        await world._create()
        await world._update()
        await world._delete()


async def create_vips(world: World, number: int) -> None:
    """Create contacts that are in the segment of vips."""
    for n in range(number):
        await world.contacts().create(
            world.caller, ContactChange({"email": f"vip{n}@example.com", "tags": ["vip"]})
        )


async def test_old_rows_expire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log row expires with its running sums and with the contacts that only it names; the rest stays."""
    monkeypatch.setattr(log_expiry, "MAX_ROWS", 7)
    for _ in range(5):
        await world._segment()
    await world._static()
    await make_changes(world, 25)
    world.now += 3_600 * dates.SECOND
    then = world.now
    world.now += 3_600 * dates.SECOND
    await make_changes(world, 5)
    world.now = then + (DAYS - 1) * dates.DAY
    await make_changes(world, 20)
    kept = await _entries_since(world, then)
    world.now = then + DAYS * dates.DAY + 1
    before = await rows(world, deleted_contacts.c.pk, deleted_contacts.c.deleted_at)
    assert await expire(world) > 3
    at_last = await state(world)
    assert await _entries_since(world, then) == kept
    assert (await rows(world, func.min(log_rows.c.first_entry)))[0][0] == at_last.history_entry + 1 == kept[0]
    assert at_last.history_since < then
    sums = await rows(world, membership_log_sums.c.last_entry)
    assert sums
    assert sums[0][0] > at_last.history_entry
    gone = await rows(world, deleted_contacts.c.pk, deleted_contacts.c.deleted_at)
    assert gone == [row for row in before if row[1] >= then]
    assert len(gone) < len(before)
    world.is_whole = False
    await world.check()
    await world.compare_history(at_last.history_entry)
    await world.verify()
    assert await expire(world) == 0


async def _entries_since(world: World, then: int) -> list[int]:
    statement = Statement(
        select(log_rows.c.first_entry).where(log_rows.c.happened_at >= then).order_by(log_rows.c.first_entry)
    )
    return [row[0] for row in await world.engine.read(lambda tx: tx.fetch_all(statement))]


async def test_the_log_replays_from_its_first_row(world: World) -> None:
    """Replayed from the members at the time of the first remaining row, it leads to the current members."""
    await world._segment()
    await world._static()
    await make_changes(world, 20)
    world.now += DAYS * dates.DAY + dates.SECOND
    held = await _members(world)
    await expire(world)
    assert await rows(world, log_rows.c.first_entry) == []
    await make_changes(world, 20)

    async def work(tenant: Tenant) -> None:
        now = await workspaces.load_state(tenant)
        for row in await log.load_between(tenant, now.history_entry, now.last_entry):
            for change in row.changes:
                members = held[change.segment]
                assert members.issuperset(change.left)
                assert members.isdisjoint(change.entered)
                held[change.segment] = (members - set(change.left)) | set(change.entered)

    await world.engine.read(bind_workspace(world.caller.workspace, work))
    assert held == await _members(world)


async def _members(world: World) -> dict[int, set[int]]:
    async def work(tenant: Tenant) -> dict[int, set[int]]:
        now = await workspaces.load_state(tenant)
        numbers = await log_expiry.list_segment_numbers(tenant)
        return {number: set(await store.load_members(tenant, number, now)) for number in numbers}

    return await world.engine.read(bind_workspace(world.caller.workspace, work))


async def test_a_quiet_workspace_is_compacted_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short log may never have been compacted: no row expires before the chunks hold its changes."""
    monkeypatch.setattr(compaction, "COMPACT_AT", 100_000)
    service = Segments(world.engine, world.clock)
    await service.create(world.caller, NewSegment("vips", VIPS))
    unnamed, gone = [await service.create(world.caller, NewSegment("gone", VIPS)) for _ in range(2)]
    await service.delete(world.caller, unnamed.id)
    await create_vips(world, 1)
    await make_changes(world, 10)
    await service.delete(world.caller, gone.id)
    assert (await state(world)).compacted_to == 0
    assert await expire(world) == 0
    assert await rows(world, deleted_segments.c.id) == [(gone.id,)]
    world.now += (DAYS + 1) * dates.DAY
    await expire(world)
    result = await state(world)
    assert result.compacted_to == result.last_entry == result.history_entry
    assert (
        await rows(world, log_rows.c.first_entry) == await rows(world, membership_log_sums.c.last_entry) == []
    )
    assert await rows(world, deleted_contacts.c.pk) == await rows(world, deleted_segments.c.id) == []
    world.is_whole = False
    await world.check()
    await world.verify()


async def test_contacts_that_wait_to_leave_do_not_expire(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a segment with a new condition is evaluated, its old members leave, deleted ones included."""
    service = Segments(world.engine, world.clock)
    segment = await service.create(world.caller, NewSegment("vips", VIPS))
    await make_changes(world, 10)
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 1)
    await service.update(world.caller, segment.id, SegmentChange(condition=SEEN))
    world.now += (DAYS + 1) * dates.DAY
    before = await rows(world, deleted_contacts.c.pk)
    assert before
    await expire(world)
    assert await rows(world, deleted_contacts.c.pk) == before
    await world.build_all()
    world.now += (DAYS + 1) * dates.DAY
    await expire(world)
    assert await rows(world, deleted_contacts.c.pk) == []


async def test_the_index_of_an_unused_field_is_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The instants are deleted a batch at a time; a field that is used again meanwhile keeps its own."""
    monkeypatch.setattr(stored_moments, "_ROWS_PER_SLICE", 3)
    service = Segments(world.engine, world.clock)
    fields = ("created_at", "updated_at")
    created = []
    for name in fields:
        days = _condition({"field": name, "operator": "in_last_days", "operand": 7})
        created.append(await service.create(world.caller, NewSegment(name, days)))
    await make_changes(world, 10)
    number = len(await rows(world, field_instants.c.pk)) // 2
    await service.delete(world.caller, created[0].id)
    keeping = Retention(world.engines[0], DAYS, world.clock)
    assert await keeping.expire_batch(world.caller.workspace)
    left = await rows(world, field_instants.c.field, field_instants.c.pk)
    assert len(left) == 2 * number - 3
    days = _condition({"field": fields[0], "operator": "in_last_days", "operand": 7})
    again = await service.create(world.caller, NewSegment("again", days))
    assert not await keeping.expire_batch(world.caller.workspace)
    assert len(await rows(world, field_instants.c.field, field_instants.c.pk)) == 2 * number
    await service.delete(world.caller, again.id)
    assert await expire(world) == -(-number // 3)
    assert {row[0] for row in await rows(world, field_instants.c.field, field_instants.c.pk)} == {fields[1]}
    await world.check()
    await world.verify()


async def test_a_long_log_is_compacted_when_it_is_quiet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that starts then reads little; while writes come, they compact the log themselves."""
    service = Segments(world.engine, world.clock)
    await service.create(world.caller, NewSegment("vips", VIPS))
    await service.create(world.caller, NewSegment("by hand", VIPS, type=SegmentType.STATIC))
    monkeypatch.setattr(compaction, "COMPACT_AT", 40)
    monkeypatch.setattr(compaction, "COMPACT_PER_CHUNK", 100)
    keeping = Retention(world.engines[0], DAYS, world.clock)
    await create_vips(world, 12)
    result = await state(world)
    assert (result.compacted_to, result.last_entry) == (0, 12)
    assert await world.engine.read(keeping.find_long_logs) == []
    world.now += retention.QUIET_PERIOD
    assert await world.engine.read(keeping.find_long_logs) == []
    world.now += retention.IDLE_PERIOD
    assert await world.engine.read(keeping.find_long_logs) == [world.caller.workspace]
    monkeypatch.setattr(compaction, "COMPACT_PER_CHUNK", 1)
    world.now += -retention.IDLE_PERIOD
    assert await world.engine.read(keeping.find_long_logs) == [world.caller.workspace]
    await keeping.compact(world.caller.workspace)
    assert await world.engine.read(keeping.find_long_logs) == []
    result = await state(world)
    assert result.compacted_to == result.last_entry
    await world.check()
