"""Measures full evaluations: one segment, all active segments, and the hourly slide of relative dates."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bench.membership import product
from bench.membership.meter import Compared, Cost, Part, Work, cpu, server, wall
from bench.membership.notes import THOUSAND
from bench.membership.raw import Raw
from bench.membership.report import (
    NOTHING,
    Line,
    Outcome,
    at_least,
    at_most,
    format_number,
    format_time,
    table,
    unmeasured,
)
from bench.membership.segments import REFRESHED, RELATIVE
from bench.membership.store import Store, require_equal
from bench.progress import Progress

ROUNDS = 5
HOUR = 3_600_000_000
HOURS = 5
# Every twentieth active segment is counted raw, and the sum is scaled.
EVERY = 20
# The maximum ratio of a refresh to a raw count, by the share of contacts that are members.
_ALLOWED = ((0.3, 1.3), (1.0, 1.8))
# Segments of the membership table with one row per member.
_ANEW, _DIFFERING = 1, 2
_ROWS = """
CREATE TABLE IF NOT EXISTS bench_members (segment integer, pk bigint, PRIMARY KEY (segment, pk));
"""


async def refreshes(store: Store) -> Outcome:
    """Compare the refresh of one segment with a raw count, and on PostgreSQL with a table of rows."""
    lines: list[Line] = []
    details: list[tuple[str, ...]] = []
    with Progress("refreshes of one segment", len(REFRESHED)) as progress:
        for name in REFRESHED:
            found, members = await _refresh(store, name)
            lines += _refresh_lines(found, members / store.note.contacts, on_server=store.postgresql)
            details.append(_costs(found, name, members))
            progress.step()
    head = (
        *("segment", "members", "ours, wall", "raw count, wall", "rows anew, wall", "differing rows, wall"),
        *("ours, CPU", "rows anew, CPU", "differing rows, CPU", "ours, this process's CPU"),
    )
    return Outcome(lines, table(head, details))


async def _refresh(store: Store, name: str) -> tuple[Compared, int]:
    segment = store.note.named(name)
    sql, values = product.raw_count(store.main.workspace, segment.spec.node, store.engine.backend, store.now)

    async def ours(times: int) -> None:
        for _ in range(times):
            await store.segments().refresh(store.main, segment.id)

    sides: dict[str, Work] = {"ours": ours, "raw": store.raw.query_work(sql, values)}
    if store.postgresql:
        await store.raw.run(_ROWS)
        sides["anew"] = store.raw.write_work(_replace_rows(sql, values))
        sides["differing"] = store.raw.write_work(_update_rows(sql, values))
    result = await store.meter.compare(sides, ROUNDS)
    members = await store.count_segment(segment)
    require_equal(name, members, scanned=await store.count_by_scan(segment.spec))
    if store.postgresql:
        for number in (_ANEW, _DIFFERING):
            held = await store.raw.value(f"SELECT count(*) FROM bench_members WHERE segment = {number}")
            require_equal(name, members, in_rows=int(held))
        await store.raw.run("DROP TABLE bench_members")
    return result, members


def _replace_rows(count: str, values: Sequence[Any]) -> Callable[[Raw], Awaitable[None]]:
    """Return the refresh of a segment stored as rows that deletes all members and inserts the matches."""
    wanted = product.scan_of_keys(count)

    async def refresh(raw: Raw) -> None:
        await raw.run(f"DELETE FROM bench_members WHERE segment = {_ANEW}")
        await raw.run(f"INSERT INTO bench_members SELECT {_ANEW}, pk FROM ({wanted}) w", *values)

    return refresh


def _update_rows(count: str, values: Sequence[Any]) -> Callable[[Raw], Awaitable[None]]:
    """Return the refresh of a segment stored as rows that only deletes and inserts the differences."""
    fill = f"INSERT INTO wanted {product.scan_of_keys(count)}"

    async def refresh(raw: Raw) -> None:
        await raw.run("CREATE TEMPORARY TABLE wanted (pk bigint) ON COMMIT DROP")
        await raw.run(fill, *values)
        await raw.run(
            f"DELETE FROM bench_members m WHERE segment = {_DIFFERING} "
            "AND NOT EXISTS (SELECT FROM wanted w WHERE w.pk = m.pk)"
        )
        await raw.run(
            f"INSERT INTO bench_members SELECT {_DIFFERING}, pk FROM wanted w "
            f"WHERE NOT EXISTS (SELECT FROM bench_members m WHERE m.segment = {_DIFFERING} AND m.pk = w.pk)"
        )

    return refresh


def _refresh_lines(compared: Compared, share: float, *, on_server: bool) -> list[Line]:
    allowed = next(allowed for most, allowed in _ALLOWED if share <= most)
    what = f"full refresh of a segment with {share:.0%} of all contacts"
    part, of = (server, "server CPU") if on_server else (cpu, "CPU")
    lines = [
        at_most(
            f"{what}, compared with a raw count scan, {of}",
            format_time(compared.median("ours", part)),
            format_time(compared.median("raw", part)),
            compared.ratios("ours", "raw", part),
            allowed,
        )
    ]
    if on_server:
        ours, rows = format_time(compared.median("ours", cpu)), format_time(compared.median("anew", cpu))
        beside = f"{what}, compared with a refresh of rows by DELETE and INSERT..SELECT, CPU in all"
        lines.append(at_least(beside, ours, rows, compared.ratios("anew", "ours", cpu), 2))
    return lines


def _costs(compared: Compared, name: str, members: int) -> tuple[str, ...]:
    def one(side: str, part: Part) -> str:
        return format_time(compared.median(side, part)) if side in compared.costs else NOTHING

    walls = [one(side, wall) for side in ("ours", "raw", "anew", "differing")]
    cpus = [one(side, cpu) for side in ("ours", "anew", "differing")]
    return (name, f"{members:,}", *walls, *cpus, format_time(compared.median("ours", _client)))


def _client(cost: Cost) -> float:
    return cost.client


async def refresh_of_all(store: Store) -> Outcome:
    """Compare the refresh of all active segments with a raw count of each, estimated from a sample."""
    caller, made = store.callers[THOUSAND], store.note.live[THOUSAND]
    sample = made[::EVERY]
    counted = [
        product.raw_count(caller.workspace, item.spec.node, store.engine.backend, store.now)
        for item in sample
    ]
    costs: list[Cost] = []

    async def count(first: int) -> None:
        for index in range(first, len(sample), 2):
            sql, values = counted[index]
            work = store.raw.query_work(sql, values)
            costs.append(await store.meter.cost(lambda work=work: work(1)))  # type: ignore[misc]
            progress.step()

    with Progress("all active segments refreshed", len(sample) + 1) as progress:
        # Half of the sample is counted before the refresh and half after it.
        await count(0)
        ours = await store.meter.cost(lambda: product.refresh_all(store.engine, caller))
        progress.step()
        await count(1)
    store.note_evaluated(THOUSAND)
    await store.require_right_members()
    raw = sum(costs, Cost(0, 0, 0))
    scale = len(made) / len(sample)
    parts: tuple[tuple[str, Part], ...] = (("CPU", cpu), ("wall", wall))
    rows = [(name, format_time(part(ours)), format_time(part(raw) * scale)) for name, part in parts]
    what = (
        f"refresh of all {len(made):,} segments at {store.note.contacts:,} contacts, "
        f"compared with a raw count of each ({len(sample)} measured and scaled), CPU"
    )
    line = at_least(
        what, format_time(cpu(ours)), format_time(cpu(raw) * scale), [cpu(raw) * scale / cpu(ours)], 3
    )
    return Outcome([line], table(("all active segments", "ours", "raw counts"), rows))


async def slides(store: Store) -> Outcome:
    """Compare hourly slides of the relative-date segments with their full evaluation."""
    target = 9 if store.postgresql else 50
    what = "hourly slide of the relative-date segments, compared with their full evaluation, CPU"
    segments = store.note.of_kind(RELATIVE)
    begin = store.now - HOURS * HOUR

    async def evaluate(now: int) -> None:
        for item in segments:
            await store.segments(now=now).refresh(store.main, item.id)

    await evaluate(begin)
    if not await product.slide(store.engine, store.main, begin, begin):
        await evaluate(store.now)
        return Outcome([unmeasured(what, f"≥ {target}", "the product offers no slide yet")])
    costs: list[Cost] = []
    with Progress("hourly slides", HOURS + 1) as progress:
        for hour in range(HOURS):
            before = begin + hour * HOUR
            costs.append(await store.meter.cost(lambda at=before: _slide(store, at)))  # type: ignore[misc]
            for item in segments:
                ours = (await store.segments(now=before + HOUR).count_members(store.main, item.id)).members
                scanned = await store.count_by_scan(item.spec, now=before + HOUR)
                require_equal(f"{item.spec.name} after a slide", ours, scanned=scanned)
            progress.step()
        full = await store.meter.cost(lambda: evaluate(store.now))
        progress.step()
    ratios = [cpu(full) / cpu(cost) for cost in costs]
    slide = sum(costs, Cost(0, 0, 0)).per(HOURS)
    line = at_least(what, format_time(cpu(slide)), format_time(cpu(full)), ratios, target)
    return Outcome(
        [line],
        f"{len(segments)} segments; one slide {format_time(wall(slide))}, in full {format_time(wall(full))}.",
    )


async def _slide(store: Store, before: int) -> None:
    await product.slide(store.engine, store.main, before, before + HOUR)


async def sizes(store: Store) -> Outcome:
    """Compare the bytes of stored membership with the number of contacts."""
    caller = store.callers[THOUSAND]
    await store.evaluate(THOUSAND)
    sql = store.raw.sql(
        "SELECT count(*), coalesce(sum(length(bitmap)), 0), count(DISTINCT segment), "
        "coalesce(sum(member_count), 0) FROM segment_chunks WHERE workspace = {}"
    )
    ((chunks, size, segments, members),) = await store.raw.rows(sql, caller.workspace)
    total = int(await store.raw.value(store.raw.sql(_CONTACTS), caller.workspace))
    each = int(size) / max(segments, 1)
    line = at_most(
        "stored membership of an active segment, compared with the number of contacts, bytes",
        f"{format_number(each)} B",
        f"{total:,}",
        [each / total],
        0.13,
    )
    share = int(members) / max(segments, 1) / total
    return Outcome(
        [line],
        f"{segments:,} segments in {chunks:,} chunks of {size:,} bytes; {share:.1%} of all contacts each.",
    )


_CONTACTS = "SELECT contact_count FROM workspaces WHERE workspace = {}"
