"""Measures overlaps, snapshots, sizes over time and the segments of a contact, with their bars.

The one workspace has a year of history: in every hour some writes move contacts in a static segment, and the
log is compacted. Then it gets its contacts, and thirty segments of each kind, as for `membership`.
"""

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from statistics import median
from typing import Final

from pyroaring import BitMap

from bench.membership import build, product
from bench.membership.databases import finish, is_missing, open_built
from bench.membership.meter import Cost
from bench.membership.notes import MAIN, BuiltSegment, Note
from bench.membership.places import Place, place
from bench.membership.report import Line, at_most, format_time, lines_table
from bench.membership.segments import DYNAMIC, RELATIVE, STATIC, match_all, spec
from bench.membership.store import Store, require_equal
from bench.progress import Progress
from diglot.conditions import tree
from diglot.model.pages import Window
from diglot.model.segments import SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.analysis.buckets import Interval
from diglot.service.audience.analysis.contact_segments import ContactSegments
from diglot.service.audience.analysis.overlaps import Overlaps, SegmentOverlap
from diglot.service.audience.analysis.sizes import Period, SegmentSizes
from diglot.service.audience.analysis.snapshots import Snapshots
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.segments import NewSegment
from diglot.storage.schema import migrate

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
DAYS: Final = 366
# Each write of the year moves so many contacts.
WRITES_PER_HOUR: Final = 4
CONTACTS_PER_WRITE: Final = 10
YEAR: Final = "a year of changes"
COMPARED: Final = ((DYNAMIC, 10), (RELATIVE, 5), (STATIC, 5))
LARGE: Final = "subscribed"
ROUNDS: Final = 15
WINDOW: Final = Window(0, 100)
Question = Callable[[], Awaitable[object]]


async def run(kind: str, contacts: int, keep: str | None, now: int) -> str:
    """Measure on one kind of database and return the table."""
    name = f"diglot_bench_analysis_{contacts}"
    with place(kind, keep) as where:
        if is_missing(where, name, contacts):
            await _build(where, name, contacts, now)
        async with await open_built(where, name, now) as store:
            await product.advance_clock(store.engine, store.main, now)
            lines = [
                *await _measure_overlaps(store),
                await _measure_snapshots(store),
                await _measure_sizes(store),
                await _measure_contacts(store),
            ]
            return lines_table(lines)


async def _build(where: Place, name: str, contacts: int, now: int) -> None:
    url = await where.database(name, anew=True)
    await migrate.upgrade_schema(url)
    then = (now // DAY - DAYS + 1) * DAY
    async with build.building(url, then) as builder:
        keys = await builder.key(MAIN)
        caller = await builder.caller(keys)
        (year,) = await builder.create(caller, [spec(STATIC, YEAR, match_all())], YEAR)
        await _write_history(builder, caller, year, contacts, now)
    async with build.building(url, now) as builder:
        await builder.fill(caller.workspace, contacts)
    kinds = await build.create_kinds(url, keys, now)
    await finish(where, name, url, Note(contacts, {MAIN: keys}, kinds=[*kinds, year]))


async def _write_history(
    builder: build.Builder, caller: Caller, year: BuiltSegment, contacts: int, now: int
) -> None:
    """Move contacts in and out of a segment in every hour of the year; compact the log after each hour."""
    rng, members = Random(5), BitMap()
    first = BitMap(rng.sample(range(1, contacts + 1), contacts // 3))
    hours = (now - builder.now) // HOUR
    segment = await builder.segments.get(caller, year.id)
    with Progress("hours of history", hours) as progress:
        for hour in range(hours):
            moves = [first] if hour == 0 else []
            for _ in range(WRITES_PER_HOUR):
                moves.append(BitMap(rng.sample(range(1, contacts + 1), CONTACTS_PER_WRITE)))
            toggled = []
            for keys in moves:
                toggled.append((keys - members, keys & members))
                members ^= keys
            at = builder.now + hour * HOUR
            await product.move_by_hand(builder.engine, caller, segment.number, toggled, at)
            progress.step()


async def _cost(store: Store, ask: Question, after: Question | None = None) -> list[Cost]:
    """Return the costs of asking, round by round, after a warm-up; `after` is not measured."""
    costs: list[Cost] = []
    for turn in range(ROUNDS + 1):
        cost = await store.meter.cost(ask)
        if after is not None:
            await after()
        if turn:
            costs.append(cost)
    return costs


def _within(what: str, costs: Sequence[Cost], other: str, bar: float) -> Line:
    """Return the line of a CPU time that has to stay within a bar in seconds."""
    spent = [cost.cpu for cost in costs]
    ours = f"{format_time(median(spent))} (bar {format_time(bar)})"
    return at_most(f"{what}, CPU compared with the bar", ours, other, [cpu / bar for cpu in spent], 1)


async def _measure_overlaps(store: Store) -> list[Line]:
    """Compare 20 segments; the other side is one scan of the driver that counts what two of them share."""
    every = [item for kind, count in COMPARED for item in store.note.of_kind(kind)[:count]]
    ids: list[str | None] = [item.id for item in every]
    found: list[SegmentOverlap] = []

    async def compare(*base: str) -> None:
        overlaps = Overlaps(store.engine, lambda: store.now)
        found.append(await overlaps.compare(store.main, ids, base, WINDOW))

    pair = tree.All((every[0].spec.node, every[2].spec.node))
    sql, values = product.raw_count(store.main.workspace, pair, store.engine.backend, store.now)
    costs = await _cost(store, compare)
    require_equal("a pair", found[0].overlap.matrix[0][2], scanned=await store.raw.value(sql, *values))
    for item, counted in zip(every, found[0].segments, strict=True):
        require_equal(item.spec.name, counted.count, counted=await store.count_segment(item))
    scan = await _cost(store, lambda: store.raw.value(sql, *values))
    other = f"{format_time(median(cost.cpu for cost in scan))}: a scan for one of 190 pairs"
    what = f"overlap of {len(ids)} segments"
    base = store.note.named(LARGE).id
    return [
        _within(f"{what} and all contacts", costs, other, 0.020),
        _within(f"{what} and a base", await _cost(store, lambda: compare(base)), other, 0.020),
    ]


async def _measure_snapshots(store: Store) -> Line:
    """Make snapshots of a large segment; the other side is a static segment that the same rules fill."""
    source = store.note.named(LARGE)
    service, ids = store.segments(), list[str]()
    snapshots = Snapshots(store.engine, lambda: store.now)
    new = spec(STATIC, "snapshot", match_all()).new
    rules = NewSegment("by rules", source.spec.new.condition, type=SegmentType.STATIC)
    count = await store.count_segment(source)

    async def make() -> None:
        made = await snapshots.create(store.main, source.id, new, None)
        require_equal("snapshot", made.count, members=count)
        ids.append(made.segment.id)

    async def evaluate() -> None:
        ids.append((await service.create(store.main, rules)).id)

    async def delete() -> None:
        await service.delete(store.main, ids.pop())

    costs = await _cost(store, make, delete)
    other = f"{format_time(median(cost.cpu for cost in await _cost(store, evaluate, delete)))}: by its rules"
    return _within(f"snapshot of {count:,} members", costs, other, 0.005)


async def _measure_sizes(store: Store) -> Line:
    """Ask for a year by day; the other side reads the feed of the segment, in pages of 1,000."""
    year = store.note.named(YEAR)
    use_cases = SegmentSizes(store.engine, lambda: store.now)
    period = Period(Interval.DAY, store.now - (DAYS - 1) * DAY, None)
    moved: list[int] = []

    async def ask() -> None:
        found = await use_cases.list_sizes(store.main, year.id, period)
        if len(found.buckets) != DAYS:
            raise RuntimeError(f"{len(found.buckets)} buckets")
        moved.append(sum(bucket.entered + bucket.left for bucket in found.buckets))

    async def read_feed() -> None:
        after, total, more = None, 0, True
        while more:
            page = await MembershipChanges(store.engine).list_for_segment(store.main, year.id, after, 1_000)
            after, total, more = page.through, total + len(page.changes), page.through < page.newest
        moved.append(total)

    costs = await _cost(store, ask)
    feed = await store.meter.cost(read_feed)
    require_equal("changes of a year", moved[0], fed=moved[-1])
    other = f"{format_time(feed.cpu)}: reading its {moved[0]:,} changes"
    return _within(f"sizes of {DAYS} days", costs, other, 0.050)


async def _measure_contacts(store: Store) -> Line:
    """Ask for the segments of contacts; the other side asks each segment whether it has the contact."""
    ids = [row[0] for row in await store.raw.rows(store.raw.sql(_SOME_IDS), store.main.workspace)]
    use_cases, found, expected = ContactSegments(store.engine, lambda: store.now), list[int](), list[int]()

    async def ask() -> None:
        page = await use_cases.list_page(store.main, ids[len(found)], WINDOW)
        found.append(page.total)

    async def ask_each() -> None:
        contact = ids[len(expected)]
        every = store.note.kinds
        each = await product.ask_each_segment(store.engine, store.main, contact, every, store.now)
        expected.append(len(each))

    costs, each = await _cost(store, ask), await _cost(store, ask_each)
    for count, other_count in zip(found, expected, strict=True):
        require_equal("segments of a contact", count, one_by_one=other_count)
    ours, other = median(cost.cpu for cost in costs), median(cost.cpu for cost in each)
    ratios = [one.cpu / two.cpu for one, two in zip(costs, each, strict=True)]
    what = (
        f"the segments of a contact, of {len(store.note.kinds)}, and since when, compared with each by itself"
    )
    return at_most(what, format_time(ours), format_time(other), ratios, 1)


_SOME_IDS: Final = "SELECT id FROM contacts {pin} WHERE workspace = {} ORDER BY pk LIMIT 50"
