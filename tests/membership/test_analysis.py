"""Overlaps, sizes over time, snapshots and the segments of a contact agree with lists and with the feed."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete

from diglot.conditions import dates
from diglot.errors import InvalidInput, LimitReached, NotFound
from diglot.membership import evaluate, notify
from diglot.membership.analysis import containing
from diglot.model.contacts import ContactChange
from diglot.model.membership_changes import AtEntry, Cause
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText, Segment, SegmentType
from diglot.model.webhooks import WebhookEventType
from diglot.model.workspaces import WorkspaceLimits
from diglot.service.audience.analysis import sizes
from diglot.service.audience.analysis.buckets import Interval, find_beginning, iterate_beginnings
from diglot.service.audience.analysis.contact_segments import ContactSegments
from diglot.service.audience.analysis.overlaps import Overlaps, SegmentOverlap
from diglot.service.audience.analysis.sizes import Period, SegmentSizes
from diglot.service.audience.analysis.snapshots import Snapshots
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.webhooks import NewWebhook
from diglot.storage.contacts import exported
from diglot.storage.membership import log_counts
from diglot.storage.schema import membership_log_counts
from diglot.storage.sql.statement import Statement
from support import canonical
from support.engines import POOLED_TOO
from support.membership.membership_checks import expire
from support.membership.naive_analysis import DRAFT, NaiveAnalysis
from support.membership.random_world import World
from support.membership.webhook_log import EventReader
from support.outboxes import Outbox
from support.reporting import Tally

WINDOW = Window(0, 100)
VIP = {"field": "tags", "operator": "contains", "operand": "vip"}
FRESH = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}
HOUR = 3_600 * dates.SECOND
HEARS = (WebhookEventType.SEGMENT_ENTERED, WebhookEventType.SEGMENT_LEFT)
_NO_COUNTS = Statement(delete(membership_log_counts))
UNKNOWN = "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60"


def condition(written: dict[str, Any]) -> Condition:
    return Condition(canonical.read(written), OriginalText("canonical", "{}"))


def analysis(world: World) -> NaiveAnalysis:
    """Return the naive computation at the present of a world, in one of its processes."""
    return NaiveAnalysis(world.engine, world.caller, world.clock(), world.zone, world.rng)


async def create(world: World, written: dict[str, Any], type_: SegmentType = SegmentType.DYNAMIC) -> Segment:
    new = NewSegment("one", condition(written), type=type_)
    return await Segments(world.engine, world.clock).create(world.caller, new)


async def add(world: World, name: str, *tags: str, **more: Any) -> str:
    """Create a contact and return its id."""
    values = {"email": f"{name}@example.com", "tags": list(tags)} | more
    return (await world.contacts().create(world.caller, ContactChange(values))).id


async def compare(world: World, *segments: Segment, base: tuple[str | None, ...] = ()) -> SegmentOverlap:
    ids = [segment.id for segment in segments]
    return await Overlaps(world.engine, world.clock).compare(world.caller, ids, base, WINDOW)


async def list_sizes(world: World, segment: Segment, interval: Interval, *span: int | None) -> list[Any]:
    begin, end = (*span, None, None)[:2]
    use_cases = SegmentSizes(world.engine, world.clock)
    found = await use_cases.list_sizes(world.caller, segment.id, Period(interval, begin, end))
    return [(bucket.size, bucket.entered, bucket.left) for bucket in found.buckets]


async def list_segments(world: World, contact: str) -> list[tuple[str, Any]]:
    use_cases = ContactSegments(world.engine, world.clock)
    page = await use_cases.list_page(world.caller, contact, WINDOW)
    assert page.total == len(page.items)
    return [(one.segment.id, one.entry_origin and one.entry_origin.cause) for one in page.items]


@pytest.fixture(autouse=True)
def _small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_counts, "_ROWS_PER_READ", 3)
    monkeypatch.setattr(exported, "_FEW_KEYS", 4)


async def fill(world: World) -> None:
    """Create segments of each type."""
    for step in [world._segment] * 8 + [world._static] * 2 + [world._create] * 5:
        await step()


async def compare_all(world: World, tally: Tally, name: str, after: int | None = None) -> None:
    """Compare every answer with its naive computation."""
    naive = analysis(world)
    members = await naive.members()
    faults = await naive.compare_overlaps(members)
    await naive.compare_contacts(members, after)
    segments = Segments(world.engine, naive.clock)
    buckets = 0
    for id_ in world.rng.sample(sorted(members), 2):
        segment = await segments.get(world.caller, id_)
        if after is None and segment.since_entry is not None:
            buckets += await naive.compare_sizes(id_, world.rng.randint(segment.created_at, naive.now))
    await naive.compare_snapshots(members, world.rng.sample(world.snapshots, min(len(world.snapshots), 2)))
    tally("answers compared with naive ones", name, len(members) + faults + buckets)


@POOLED_TOO
async def test_random_writes(world: World, pytestconfig: pytest.Config, tally: Tally) -> None:
    """Contacts, segments and lists change, time passes in hours and days, the time zone moves."""
    await fill(world)
    for step in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        if world.rng.random() < 0.1:
            await compare_all(world, tally, "random writes")
        if step % 40 == 20:
            await world.change_zone()
    await compare_all(world, tally, "random writes")


async def test_random_writes_around_evaluations(
    world: World, pytestconfig: pytest.Config, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending segments are asked by their conditions; what follows them is stored by the background."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 5)
    await fill(world)
    for _ in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        if world.rng.random() < 0.3:
            await world.build()
        if world.rng.random() < 0.1:
            naive = analysis(world)
            members = await naive.members()
            tally("answers compared with naive ones", "pending", await naive.compare_overlaps(members))
            await naive.compare_snapshots(members)
            for id_ in world.rng.sample(world.ids, min(len(world.ids), 5)):
                use_cases = ContactSegments(naive.engine, naive.clock)
                found = await use_cases.list_page(world.caller, id_, WINDOW)
                expected = [segment for segment, ids in members.items() if id_ in ids]
                assert [one.segment.id for one in found.items] == expected


async def test_counts_of_an_earlier_revision(world: World, pytestconfig: pytest.Config, tally: Tally) -> None:
    """A database of an earlier revision has no counts of its log; its rows are counted instead."""
    await fill(world)
    for _ in range(pytestconfig.getoption("--world-steps") // 2):
        await world.step()
    await world.compact()
    await world.engine.write(lambda transaction: transaction.execute(_NO_COUNTS))
    await compare_all(world, tally, "without counts")
    for _ in range(pytestconfig.getoption("--world-steps") // 4):
        await world.step()
    await world.compact()
    for _ in range(5):
        await compare_all(world, tally, "without counts")


async def test_sizes_after_old_rows_expired(world: World, pytestconfig: pytest.Config) -> None:
    """What has expired is refused, and the first bucket is one of which nothing has expired."""
    segment = await create(world, VIP)
    for _ in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        world.now += world.rng.choice((1, HOUR // 3))
    await world.compact()
    begins = await expire(world.engine, world.caller.workspace, 0, world.rng)
    assert begins is not None
    naive = analysis(world)
    with pytest.raises(InvalidInput, match="since: The history of this segment begins with the hour of"):
        await list_sizes(world, segment, Interval.HOUR, segment.created_at)
    use_cases = SegmentSizes(world.engine, naive.clock)
    first = await use_cases.list_sizes(world.caller, segment.id, Period(Interval.HOUR, None, None))
    # The day of the first hour may have begun before the history.
    assert await naive.compare_sizes(segment.id, first.buckets[0].begin, begins, [Interval.HOUR])


async def test_segments_without_rules_to_evaluate(world: World) -> None:
    """Drafts match nobody, static segments have who was put in, dynamic lists are no segments."""
    ada = await add(world, "ada", "vip")
    draft, vip = await create(world, {"all": []}), await create(world, VIP)
    static = await create(world, VIP, SegmentType.STATIC)
    dynamic = await Lists(world.engine, world.clock).create(
        world.caller, NewList("l", condition=condition(VIP))
    )
    found = await compare(world, draft, vip, static)
    assert found.overlap.matrix == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert await list_segments(world, ada) == [
        (static.id, Cause.SEGMENT_CREATED),
        (vip.id, Cause.SEGMENT_CREATED),
    ]
    assert await list_sizes(world, draft, Interval.DAY) == [(0, 0, 0)]
    assert await list_sizes(world, static, Interval.DAY) == [(1, 1, 0)]
    behind = dynamic.list.segment
    assert behind is not None
    for id_ in (behind.id, dynamic.list.id, UNKNOWN, None):
        await _require_not_found(world, vip, id_)


async def _require_not_found(world: World, vip: Segment, id_: str | None) -> None:
    """Expect that no call finds a segment or a contact of this id."""
    engine, caller, clock = world.engine, world.caller, world.clock
    new = NewSegment("snapshot", DRAFT, type=SegmentType.STATIC)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: Overlaps(engine, clock).compare(caller, [vip.id, id_], (), WINDOW),
        lambda: Overlaps(engine, clock).compare(caller, [vip.id, vip.id], (id_,), WINDOW),
        lambda: SegmentSizes(engine, clock).list_sizes(caller, id_, Period(Interval.DAY, None, None)),
        lambda: Snapshots(engine, clock).create(caller, id_, new, None),
        lambda: ContactSegments(engine, clock).list_page(caller, id_, WINDOW),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call()


async def test_time_alone_moves_a_contact(world: World) -> None:
    """Before the clock ticks, overlaps and segments of a contact are right to the microsecond."""
    world.now += 30 * dates.DAY
    opened = world.now
    ada = await add(world, "ada", last_opened_at=opened)
    fresh, everyone = await create(world, FRESH), await create(world, {"not": VIP})
    world.now = opened + dates.DAY - 2
    assert (await compare(world, fresh, everyone)).overlap.matrix[0][0] == 1
    world.now = opened + dates.DAY
    assert [id_ for id_, _ in await list_segments(world, ada)] == [everyone.id]
    assert (await compare(world, fresh, everyone)).overlap.matrix[0] == [0, 0]
    assert await list_sizes(world, fresh, Interval.DAY) == [(1, 1, 0), (1, 0, 0)]


async def test_a_clock_that_is_set_back(world: World) -> None:
    """The relative segments of a contact are those of the earlier instant."""
    world.now += 30 * dates.DAY
    opened = world.now
    ada = await add(world, "ada", last_opened_at=opened)
    fresh = await create(world, FRESH)
    world.now = opened + 2 * dates.DAY
    await add(world, "bob")
    assert await list_segments(world, ada) == []
    world.now = opened + HOUR
    assert [id_ for id_, _ in await list_segments(world, ada)] == [fresh.id]


async def test_contacts_that_were_deleted_cover_nothing(world: World) -> None:
    """Only contacts that exist count as uncovered, few of them and many."""
    vip, other = await create(world, VIP), await create(world, {"all": []})
    ids = [await add(world, f"c{number}", *(["vip"] if number % 3 == 0 else [])) for number in range(12)]
    for number in (1, 2, 6):
        await world.contacts().delete(world.caller, ids[number])
    found = await compare(world, vip, other)
    left = [ids[number] for number in (11, 10, 8, 7, 5, 4)]
    assert [fault.contact_id for fault in found.faults] == left
    assert (len(found.overlap.uncovered), found.overlap.base_count) == (6, 9)
    for number in (4, 5, 7, 8):
        await world.contacts().delete(world.caller, ids[number])
    assert [fault.contact_id for fault in (await compare(world, vip, other)).faults] == left[:2]


async def test_an_old_entry_is_not_looked_for_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many rows of the log the time of an entry is left out; the segments are still complete."""
    vip, everyone = await create(world, VIP), await create(world, {"not": {"all": [VIP, FRESH]}})
    ada = await add(world, "ada", "vip")
    for number in range(8):
        await add(world, f"c{number}", "vip")
    entered = [(everyone.id, Cause.CONTACT_CREATED), (vip.id, Cause.CONTACT_CREATED)]
    assert await list_segments(world, ada) == entered
    monkeypatch.setattr(containing, "MAX_ROWS", 3)
    assert await list_segments(world, ada) == [(id_, None) for id_, _ in entered]
    await world.contacts().update(world.caller, ada, ContactChange({"tags": []}))
    await world.contacts().update(world.caller, ada, ContactChange({"tags": ["vip"]}))
    assert await list_segments(world, ada) == [(everyone.id, None), (vip.id, Cause.CONTACT_CHANGED)]


async def test_a_pending_segment_has_no_sizes_yet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its history begins with its first evaluation, which sizes say as `as_of` does."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
    await add(world, "ada", "vip")
    segment = await create(world, VIP)
    with pytest.raises(InvalidInput, match="still being evaluated"):
        await list_sizes(world, segment, Interval.DAY)
    world.now += 2 * dates.DAY
    await world.build_all()
    assert await list_sizes(world, segment, Interval.DAY) == [(1, 1, 0)]
    new = Condition(canonical.read({"not": VIP}), OriginalText("canonical", "{}"))
    segments = Segments(world.engine, world.clock)
    changed = await segments.update(world.caller, segment.id, SegmentChange(condition=new))
    assert changed.members is None
    assert await list_sizes(world, segment, Interval.DAY) == [(1, 1, 0)]


async def test_as_many_buckets_as_the_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year by day fits; one bucket more than the limit is refused with the figure."""
    assert sizes.MAX_BUCKETS >= 366
    segment = await create(world, VIP)
    born = segment.created_at
    world.now += 365 * dates.DAY
    assert len(await list_sizes(world, segment, Interval.DAY, born)) == 366
    assert len(await list_sizes(world, segment, Interval.DAY)) == 30
    assert len(await list_sizes(world, segment, Interval.HOUR)) == 24
    monkeypatch.setattr(sizes, "MAX_BUCKETS", 366)
    assert len(await list_sizes(world, segment, Interval.DAY, born)) == 366
    world.now += dates.DAY
    with pytest.raises(InvalidInput, match="since: Asks for more than 366 days"):
        await list_sizes(world, segment, Interval.DAY, born)


async def test_a_snapshot_counts_as_a_segment(world: World) -> None:
    """It needs room for one segment and has no rules; what time has moved is stored before it is made."""
    world.now += 30 * dates.DAY
    await add(world, "ada", last_opened_at=world.now)
    fresh = await create(world, FRESH)
    new = NewSegment("snapshot", DRAFT, type=SegmentType.STATIC)
    snapshots = Snapshots(world.engine, world.clock, WorkspaceLimits(segments=2, rules=1))
    first = await snapshots.create(world.caller, fresh.id, new, None)
    assert (first.count, first.segment.rules) == (1, None)
    with pytest.raises(LimitReached, match="at most 2 segments"):
        await snapshots.create(world.caller, fresh.id, new, None)
    world.now += 2 * dates.DAY
    snapshots = Snapshots(world.engine, world.clock)
    assert (await snapshots.create(world.caller, fresh.id, new, None)).count == 0
    assert (await snapshots.create(world.caller, fresh.id, new, AtEntry(1))).count == 1
    await world.check()


@pytest.mark.parametrize("most", [1, 1_000])
async def test_a_snapshot_is_told_as_a_new_segment(
    world: World, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks hear of its members as of those of a new static segment: one by one, or of all together."""
    monkeypatch.setattr(notify, "MAX_PER_SEGMENT", most)
    new = NewWebhook("topmail", "https://127.0.0.1/", HEARS, HEARS, "secret")
    await Outbox(world.engine, world.caller).webhooks.create(world.caller, new)
    reader = EventReader(world.caller.workspace, most, notify.MAX_PER_WRITE)
    for name in ("ada", "bob"):
        await add(world, name, "vip")
    vip = await create(world, VIP, SegmentType.STATIC)
    await reader.compare(world.engine)
    snapshot = NewSegment("snapshot", DRAFT, type=SegmentType.STATIC)
    assert (
        await Snapshots(world.engine, world.clock).create(world.caller, vip.id, snapshot, None)
    ).count == 2
    await reader.compare(world.engine)


@pytest.mark.parametrize(("zone", "count"), [("Australia/Lord_Howe", 2), ("Asia/Kolkata", 1), ("UTC", 0)])
def test_hours_where_clocks_move_by_half_an_hour(zone: str, count: int) -> None:
    """Every instant of a year is in the hour that begins last before it."""
    place, rng = ZoneInfo(zone), Random(1)
    begin = find_beginning(Interval.HOUR, 1_790_000_000_000_000, place)
    beginnings = []
    for beginning in iterate_beginnings(Interval.HOUR, begin, place):
        if beginning > begin + 365 * dates.DAY:
            break
        beginnings.append(beginning)
    lengths = {later - earlier for earlier, later in pairwise(beginnings)}
    assert lengths == ({HOUR, HOUR // 2} if count == 2 else {HOUR})
    assert (begin % HOUR == HOUR // 2) == (count > 0)
    for earlier, later in pairwise(beginnings):
        assert find_beginning(Interval.HOUR, rng.randrange(earlier, later), place) == earlier
