"""Verification finds, repairs and counts all damage done by hand; without damage it finds nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pyroaring import BitMap
from sqlalchemy.sql.elements import ClauseElement

from diglot.background.verification import Verification, VerificationResult
from diglot.conditions import dates
from diglot.membership import store
from diglot.membership.log_delta import LogDelta
from diglot.membership.writer import tick
from diglot.model.contacts import ContactChange
from diglot.model.metrics import Metrics
from diglot.model.segments import Condition, OriginalText
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.background import metrics
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.membership import chunks, log
from diglot.storage.schema import field_instants, indexed_fields, segment_chunks
from diglot.storage.schema import membership_log as log_rows
from diglot.storage.schema import segments as segment_rows
from diglot.storage.schema import workspaces as workspace_rows
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical
from support.membership.random_world import World

VIP = {"field": "tags", "operator": "contains", "operand": "vip"}
SEEN = {"field": "attributes.seen", "operator": "in_last_days", "operand": 7}
OPENED = {"field": "last_opened_at", "operator": "more_than_days_ago", "operand": 2}
DAYS = ("attributes.seen", "last_opened_at")


@dataclass
class Scene:
    """A world with a segment of vips and two segments with relative dates, and no others."""

    world: World
    vips: SegmentKey
    seen: SegmentKey
    opened: SegmentKey
    ids: list[str]

    async def run(self, *statements: ClauseElement) -> None:
        """Apply the damage."""

        async def work(transaction: Transaction) -> None:
            for statement in statements:
                await transaction.execute(Statement(statement))

        await self.world.engines[0].write(work)

    async def verify(self, place: SegmentKey) -> VerificationResult:
        """Verify a segment in the first process."""
        verdict = await Verification(self.world.engines[0], self.world.clock).verify(place)
        assert verdict is not None
        return verdict

    async def figures(self) -> Metrics:
        """Return the operator's metrics."""
        now = self.world.now
        return await self.world.engine.read(lambda tx: metrics.load(tx, now))

    async def bits(self, place: SegmentKey) -> BitMap:
        """Return the contacts in the chunks of a segment."""
        return await self.world.engine.read(
            bind_workspace(place.workspace, lambda tenant: chunks.load_all(tenant, place.segment))
        )


async def _segment(world: World, written: dict[str, Any]) -> SegmentKey:
    condition = Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))
    segment = await Segments(world.engine, world.clock).create(world.caller, NewSegment("s", condition))
    world.segments.append(segment.id)
    return SegmentKey(world.caller.workspace, segment.number)


@pytest.fixture
async def scene(world: World) -> Scene:
    """Lend a scene: contacts created before the segments, and one created after them."""
    ids = []
    for n in range(6):
        world.now += dates.SECOND
        values = {"email": f"{n}@example.com", "tags": ["vip"] if n % 2 else [], "last_opened_at": world.now}
        change = ContactChange(values, {"seen": dates.format_instant(world.now)})
        ids.append((await world.contacts().create(world.caller, change)).id)
    vips, seen, opened = [await _segment(world, written) for written in (VIP, SEEN, OPENED)]
    late = ContactChange(
        {"email": "late@example.com", "tags": ["vip"]}, {"seen": dates.format_instant(world.now)}
    )
    ids.append((await world.contacts().create(world.caller, late)).id)
    return Scene(world, vips, seen, opened, ids)


def _of(table: Any, place: SegmentKey) -> Any:
    return (table.c.workspace == place.workspace) & (table.c.segment == place.segment)


async def test_nothing_to_repair(scene: Scene) -> None:
    """Three segments are verified without repairs; each stores only the time of its verification."""
    before = await _stored(scene.world, scene.vips)
    for place in (scene.vips, scene.seen, scene.opened):
        assert (await scene.verify(place)).is_correct
    after = await _stored(scene.world, scene.vips)
    assert after.last_calculated_at is not None
    assert before.last_calculated_at is not None
    assert after.last_calculated_at > before.last_calculated_at
    assert (after.updated_at, after.revision) == (before.updated_at, before.revision)
    metrics = await scene.figures()
    assert (metrics.verified_segments, metrics.repaired_segments, metrics.repaired_contacts) == (3, 0, 0)


async def _stored(world: World, place: SegmentKey) -> Any:
    async def work(transaction: Transaction) -> Any:
        result = await segments.find_by_number_with_state(Tenant(transaction, place.workspace), place.segment)
        assert result is not None
        return result[0]

    return await world.engine.read(work)


# The damage, as the statements that do it, the place to verify, and the number of contacts to repair


async def _bits(scene: Scene) -> SegmentKey:
    """Remove a vip from a chunk, and add another contact to it."""
    wrong = (await scene.bits(scene.vips)) ^ BitMap([1, 2])
    await scene.run(
        segment_chunks.update().where(_of(segment_chunks, scene.vips)).values(bitmap=wrong.serialize())
    )
    return scene.vips


async def _number_in_a_chunk(scene: Scene) -> SegmentKey:
    await scene.run(segment_chunks.update().where(_of(segment_chunks, scene.vips)).values(member_count=2))
    return scene.vips


async def _number_of_members(scene: Scene) -> SegmentKey:
    await scene.run(segment_rows.update().where(_of(segment_rows, scene.vips)).values(members=5))
    return scene.vips


async def _chunk(scene: Scene) -> SegmentKey:
    await scene.run(segment_chunks.delete().where(_of(segment_chunks, scene.vips)))
    return scene.vips


async def _log_row(scene: Scene) -> SegmentKey:
    """Delete the log row of the late contact, which only the log holds."""
    state = await scene.world.engine.read(bind_workspace(scene.vips.workspace, workspaces.load_state))
    assert state.compacted_to < state.last_entry
    await scene.run(log_rows.delete().where(log_rows.c.last_entry == state.last_entry))
    return scene.vips


async def _log_row_unread(scene: Scene) -> SegmentKey:
    """Do the same to a process that has not read the log."""
    place = await _log_row(scene)
    scene.world.engines[0].process_cache.clear()
    return place


async def _damaged_cache(scene: Scene) -> SegmentKey:
    """Delete a part of this process's cached delta."""

    async def work(tenant: Tenant) -> None:
        state = await workspaces.load_state(tenant)
        await store.get_delta(tenant, state)
        kept = tenant.transaction.process_cache.of(store.READER_DELTAS)
        kept.put(tenant.workspace, LogDelta(state.compacted_to, state.last_entry))

    await scene.world.engines[0].read(bind_workspace(scene.vips.workspace, work))
    return scene.vips


async def _missing_instant(scene: Scene) -> SegmentKey:
    """Delete an instant from the index, so that no tick moves its contact."""
    first = (field_instants.c.field == DAYS[0]) & (field_instants.c.pk == 1)
    await scene.run(field_instants.delete().where(first))
    return scene.seen


async def _instant_of_another(scene: Scene) -> SegmentKey:
    pk = field_instants.c.pk
    await scene.run(field_instants.update().where(field_instants.c.field == DAYS[1], pk == 3).values(pk=60))
    return scene.opened


async def _wrong_instant(scene: Scene) -> SegmentKey:
    instant = field_instants.c.instant
    await scene.run(
        field_instants.update()
        .where(field_instants.c.field == DAYS[1], field_instants.c.pk == 3)
        .values(instant=instant + 1)
    )
    return scene.opened


async def _missing_index(scene: Scene) -> SegmentKey:
    await scene.run(indexed_fields.delete().where(indexed_fields.c.field == DAYS[1]))
    return scene.opened


async def _next_change(scene: Scene) -> SegmentKey:
    """Postpone the next change by time of one segment, so that no tick moves its contacts."""
    late = scene.world.now + 40 * dates.DAY
    await scene.run(segment_rows.update().where(_of(segment_rows, scene.seen)).values(next_change_at=late))
    return scene.seen


async def _next_change_of_all(scene: Scene) -> SegmentKey:
    """Postpone the next change by time of the workspace, so that no tick comes."""
    late = scene.world.now + 40 * dates.DAY
    await scene.run(workspace_rows.update().values(next_change_at=late))
    return scene.seen


async def _all_left_unnoticed(scene: Scene) -> SegmentKey:
    """Let all of them leave by time, without any writes."""
    place = await _next_change(scene)
    await scene.run(workspace_rows.update().values(next_change_at=scene.world.now + 40 * dates.DAY))
    scene.world.now += 8 * dates.DAY
    return place


async def _others_left_unnoticed(scene: Scene) -> SegmentKey:
    """Let the others leave by time during writes, without the one that lost its instants.

    With an instant in one field left, a tick would ask about the contact, for all segments that are due.
    """
    await scene.run(field_instants.delete().where(field_instants.c.pk == 1))
    scene.world.now += 8 * dates.DAY
    await scene.world.contacts().update(
        scene.world.caller, scene.ids[5], ContactChange({"first_name": "Ada"})
    )
    return scene.seen


Break = Callable[[Scene], Awaitable[SegmentKey]]
BREAKS: dict[str, tuple[Break, int]] = {
    "bits": (_bits, 2),
    "chunk": (_chunk, 3),
    "number-in-a-chunk": (_number_in_a_chunk, 0),
    "number-of-members": (_number_of_members, 0),
    "log-row": (_log_row, 1),
    "log-row-unread": (_log_row_unread, 1),
    "memory": (_damaged_cache, 0),
    "moment": (_missing_instant, 0),
    "moment-of-another": (_instant_of_another, 0),
    "moment-at-another-time": (_wrong_instant, 0),
    "nobody-watches": (_missing_index, 0),
    "next-change": (_next_change, 0),
    "next-change-of-all": (_next_change_of_all, 0),
    "passed-unseen": (_all_left_unnoticed, 7),
    "left-unseen": (_others_left_unnoticed, 1),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("broken", "contacts"), BREAKS.values(), ids=BREAKS)
async def test_damage_is_found_and_repaired(scene: Scene, broken: Break, contacts: int) -> None:
    """The damage is repaired and counted; a second verification finds nothing, and everything goes on."""
    world = scene.world
    place = await broken(scene)
    assert not (await scene.verify(place)).is_correct
    metrics = await scene.figures()
    assert (metrics.verified_segments, metrics.repaired_segments, metrics.repaired_contacts) == (
        1,
        1,
        contacts,
    )
    assert (await scene.verify(place)).is_correct
    # A lost log row stays lost: its changes to other segments are found when these are verified.
    world.is_whole = False
    for other in (scene.vips, scene.seen, scene.opened):
        await scene.verify(other)
    await _go_on(scene)


async def _go_on(scene: Scene) -> None:
    """Check that a process that was not there serves the right members for weeks."""
    world = scene.world
    for engine in world.engines:
        engine.process_cache.clear()
    for _ in range(6):
        await world.check()
        await world.verify()
        world.now += dates.DAY + 3_600 * dates.SECOND
        await world._update()


async def test_a_refresh_counts_what_it_repairs(scene: Scene) -> None:
    """A client that refreshes a segment has it evaluated in full, too."""
    await _bits(scene)
    segment = await _stored(scene.world, scene.vips)
    service = Segments(scene.world.engine, scene.world.clock)
    assert (await service.refresh(scene.world.caller, segment.id)).count == 4
    assert (await service.refresh(scene.world.caller, segment.id)).count == 4
    metrics = await scene.figures()
    assert (metrics.verified_segments, metrics.repaired_segments, metrics.repaired_contacts) == (0, 1, 2)


async def test_a_slow_comparison_does_not_set_the_clock_back(scene: Scene) -> None:
    """The comparison takes over a minute in which others write; ticks of that minute are not undone."""
    world, place = scene.world, await _bits(scene)
    written: list[int] = []

    class Long(Verification):
        async def _record_result(
            self, tenant: Tenant, number: int, result: VerificationResult, now: int
        ) -> None:
            world.now += 2 * store.MAX_CLOCK_SKEW
            written.append(world.clock())
            await tick(tenant, written[0])
            await super()._record_result(tenant, number, result, now)

    verdict = await Long(world.engines[0], world.clock).verify(place)
    assert verdict is not None
    assert not verdict.is_correct
    state = await world.engine.read(bind_workspace(place.workspace, workspaces.load_state))
    assert state.evaluated_at >= written[0]
    await world.compare(world.engine)


async def test_segments_without_a_condition_are_not_verified(scene: Scene) -> None:
    """Neither are segments that were deleted or updated meanwhile."""
    world = scene.world
    service = Segments(world.engine, world.clock)
    await world._static()
    draft = Condition(canonical.read({"all": []}, "UTC"), OriginalText("canonical", "{}"))
    segment = await _stored(world, scene.vips)
    verification = Verification(world.engines[0], world.clock)
    place = SegmentKey(scene.vips.workspace, scene.opened.segment + 1)
    assert await verification.verify(place) is None
    workspace, number = scene.vips.workspace, scene.vips.segment
    verdict = await world.engine.read(
        bind_workspace(workspace, lambda tenant: verification._compare_in_snapshot(tenant, number, world.now))
    )
    assert verdict is not None
    await service.update(world.caller, segment.id, SegmentChange(condition=draft))
    await world.engine.write(
        bind_workspace(
            workspace, lambda tenant: verification._record_result(tenant, number, verdict, world.now)
        )
    )
    assert await verification.verify(scene.vips) is None
    assert (await _stored(world, scene.vips)).last_calculated_at is None
    await service.delete(world.caller, segment.id)
    assert await verification.verify(scene.vips) is None
    assert (await scene.figures()).verified_segments == 0


async def test_the_log_is_read_once_for_a_workspace(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifications of several segments share the delta, which grows with the log."""
    reads: list[tuple[int, int]] = []
    between = log.load_between

    async def counting(tenant: Tenant, after: int, until: int) -> Any:
        reads.append((after, until))
        return await between(tenant, after, until)

    monkeypatch.setattr(log, "load_between", counting)
    verification = Verification(scene.world.engines[1], scene.world.clock)
    for place in (scene.vips, scene.seen):
        await verification.verify(place)
    await scene.world.contacts().delete(scene.world.caller, scene.ids[1])
    reads.clear()
    await verification.verify(scene.opened)
    assert len(reads) == 1
    assert reads[0][0] > 0
