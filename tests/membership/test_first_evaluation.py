"""Segments of large workspaces are evaluated in the background, and include all concurrent changes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from diglot.background.first_evaluation import FirstEvaluation
from diglot.conditions import dates
from diglot.membership import evaluate
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, OriginalText
from diglot.service.access.workspaces import Workspaces
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.storage import workspaces
from diglot.storage.background import due_work
from diglot.storage.membership import log
from diglot.storage.schema import (
    field_instants,
    indexed_fields,
    membership_log_sums,
    segment_chunks,
    segments,
)
from diglot.storage.schema import membership_log as log_rows
from diglot.storage.schema import workspaces as workspace_rows
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical
from support.membership.random_world import World


def condition(written: dict[str, Any]) -> Condition:
    """Return a condition."""
    return Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))


VIP = condition({"field": "tags", "operator": "contains", "operand": "vip"})
NEW = condition({"field": "tags", "operator": "contains", "operand": "new"})
SEEN = condition({"field": "attributes.seen", "operator": "in_last_days", "operand": 7})


@pytest.fixture
def crowd(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world that is too large to evaluate a segment before the response."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 3)
    return world


async def create_contact(world: World, name: str, **values: Any) -> str:
    """Create a contact that was seen a day ago; return its id."""
    stored = ContactChange(
        {"email": f"{name}@example.com"} | values, {"seen": dates.format_instant(world.now - dates.DAY)}
    )
    return (await world.contacts().create(world.caller, stored)).id


async def create_contacts(world: World) -> list[str]:
    """Create contacts; every second one is a vip."""
    return [await create_contact(world, f"p{n}", tags=["vip"] if n % 2 else []) for n in range(8)]


def service(world: World) -> Segments:
    """Return the segment service of one of the processes."""
    return Segments(world.engine, world.clock)


async def pending_segments(world: World) -> list[due_work.SegmentKey]:
    """Return the pending segments."""
    return await world.engine.read(due_work.list_pending_segments)


async def causes(world: World) -> list[tuple[str, int]]:
    """Return the causes of membership changes, with the number of contacts of each."""

    async def work(tenant: Tenant) -> list[tuple[str, int]]:
        state = await workspaces.load_state(tenant)
        rows = await log.load_between(tenant, 0, state.last_entry)
        kinds = await tenant.fetch_all(Statement(log_rows.select().order_by(log_rows.c.first_entry)))
        return [
            (kind[4], sum(change.entry_count for change in row.changes))
            for kind, row in zip(kinds, rows, strict=True)
        ]

    return await world.engine.read(bind_workspace(world.caller.workspace, work))


async def test_changes_between_scan_and_store_are_included(crowd: World) -> None:
    """The result includes contacts created, changed, deleted or moved by time after the scan."""
    ids = await create_contacts(crowd)
    segments = [await service(crowd).create(crowd.caller, NewSegment("s", item)) for item in (VIP, SEEN)]
    assert [item.members for item in segments] == [None, None]
    building = FirstEvaluation(crowd.engines[0], crowd.clock)
    scans = []
    for place in await pending_segments(crowd):
        scans.append(await building.scan_segment(place))
    contacts = crowd.contacts()
    await contacts.delete(crowd.caller, ids[1])
    await contacts.update(crowd.caller, ids[3], ContactChange({"tags": []}))
    await contacts.update(crowd.caller, ids[4], ContactChange({"tags": ["vip"]}, {"seen": None}))
    await create_contact(crowd, "late", tags=["vip"])
    crowd.now += 7 * dates.DAY - 4
    for scan in scans:
        await crowd.check()
        assert scan is not None
        assert await building.store_result(scan)
        await crowd.check()
    assert not await pending_segments(crowd)
    await crowd.verify()
    segment = await service(crowd).get(crowd.caller, segments[0].id)
    assert (segment.members, segment.updated_at) == (4, segments[0].updated_at)
    assert segment.last_calculated_at is not None
    assert segment.last_calculated_at > segments[0].created_at + dates.DAY
    assert ("segment created", 4) in await causes(crowd)


async def test_a_newer_revision_cancels_an_older_evaluation(crowd: World) -> None:
    """The result for a condition that the segment no longer has is not stored."""
    await create_contacts(crowd)
    segment = await service(crowd).create(crowd.caller, NewSegment("s", VIP))
    building = FirstEvaluation(crowd.engines[0], crowd.clock)
    (place,) = await pending_segments(crowd)
    older = await building.scan_segment(place)
    assert older is not None
    await service(crowd).update(crowd.caller, segment.id, SegmentChange(condition=NEW))
    assert not await building.is_still_pending(older)
    assert not await building.store_result(older)
    await service(crowd).update(crowd.caller, segment.id, SegmentChange(condition=VIP))
    assert not await building.store_result(older)
    await crowd.check()
    assert await FirstEvaluation(crowd.engines[1], crowd.clock).run(place)
    await crowd.check()
    assert await causes(crowd) == [("segment changed", 4)]


async def test_an_update_leaves_and_enters_at_once(crowd: World) -> None:
    """The history goes from the members of the old condition to those of the new, deleted ones included."""
    ids = await create_contacts(crowd)
    segment = await service(crowd).create(crowd.caller, NewSegment("s", VIP))
    await crowd.build_all()
    await service(crowd).update(crowd.caller, segment.id, SegmentChange(condition=NEW))
    await crowd.contacts().delete(crowd.caller, ids[1])
    await crowd.contacts().update(crowd.caller, ids[2], ContactChange({"tags": ["new"]}))
    await crowd.build_all()
    await crowd.check()
    assert await causes(crowd) == [("segment created", 4), ("segment changed", 5)]


async def test_two_processes_evaluate_the_same_segment(crowd: World) -> None:
    """The first process stores its result, the second does not."""
    await create_contacts(crowd)
    await service(crowd).create(crowd.caller, NewSegment("s", VIP))
    (place,) = await pending_segments(crowd)
    both = [FirstEvaluation(engine, crowd.clock) for engine in crowd.engines]
    scans = [await item.scan_segment(place) for item in both]
    stored = [await one.store_result(scan) for one, scan in zip(both, scans, strict=True) if scan is not None]
    assert stored == [True, False]
    await crowd.check()
    assert await both[0].scan_segment(place) is None
    assert not await both[1].run(place)


async def test_a_deleted_segment_is_not_stored(crowd: World) -> None:
    """The segment is deleted during its scan, or during a refresh."""
    await create_contacts(crowd)
    gone, refreshed = [await service(crowd).create(crowd.caller, NewSegment("s", VIP)) for _ in range(2)]
    building = FirstEvaluation(crowd.engines[0], crowd.clock)
    scans = [await building.scan_segment(place) for place in await pending_segments(crowd)]
    await service(crowd).delete(crowd.caller, gone.id)
    assert (await service(crowd).refresh(crowd.caller, refreshed.id)).count == 4
    for scan in scans:
        assert scan is not None
        assert not await building.store_result(scan)
    await crowd.check()
    assert await causes(crowd) == [("segment created", 4)]


# Databases of an older version


async def _as_before(engine: Engine) -> None:
    """Strip a migrated database of all stored memberships of dynamic segments."""
    dynamic = segments.c.type == "dynamic"
    at_rest = {
        "compacted_entry": workspace_rows.c.next_entry - 1,
        "uncompacted_changes": 0,
        "evaluated_at": 0,
    }
    at_rest["next_change_at"] = 1
    version = {"segments_version": workspace_rows.c.segments_version + 1}
    statements = (
        *(
            table.delete()
            for table in (log_rows, membership_log_sums, field_instants, indexed_fields, segment_chunks)
        ),
        segments.update().where(dynamic).values(members=None, next_change_at=0),
        workspace_rows.update().values(at_rest | version),
    )

    async def work(transaction: Transaction) -> None:
        for statement in statements:
            await transaction.execute(Statement(statement))

    await engine.write(work)


async def _by_building(world: World) -> None:
    await world.build_all()


async def _by_refresh(world: World) -> None:
    for id_ in world.segments:
        await service(world).refresh(world.caller, id_)


async def _by_the_zone(world: World) -> None:
    await Workspaces(world.engine, world.clock).set_time_zone("one", "Europe/Berlin")


async def _by_a_list(world: World) -> None:
    await Lists(world.engine, world.clock).delete(world.caller, world.lists.pop())


async def _by_nothing(world: World) -> None:
    await world._update()


Way = Callable[[World], Awaitable[None]]
WAYS = {
    "built": _by_building,
    "refreshed": _by_refresh,
    "zone": _by_the_zone,
    "list": _by_a_list,
    "written": _by_nothing,
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_segments_of_an_older_database(world: World, way: Way) -> None:
    """Whatever evaluates them first, writes and time keep them current from then on."""
    lists = Lists(world.engine, world.clock)
    for n in range(3):
        world.lists.append((await lists.create(world.caller, NewList(f"{n}"))).list.id)
    written = [
        world.relative_condition(),
        world.list_condition(),
        {"all": [world.relative_condition(), {"not": world.list_condition()}]},
        {"all": []},
    ]
    for _ in range(20):
        await world._create()
    for each in [*written, *(world.relative_condition() for _ in range(4))]:
        segment = await service(world).create(world.caller, NewSegment("s", condition(each)))
        world.segments.append(segment.id)
    world.is_whole = False
    await _as_before(world.engines[0])
    await world.check()
    await way(world)
    for _ in range(5):
        await world.check()
        for _ in range(8):
            await world.step()
        await world.build()
    await world.check()
    await world.build_all()
    await world.check()
    await world.verify()
