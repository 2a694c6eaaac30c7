"""Compares counts and pages of saved segments with a read by the driver itself, inside one transaction."""

from random import Random

from bench.membership import product
from bench.membership.meter import ROUNDS, Compared, Work, cpu, wall
from bench.membership.raw import KEYSET, POINT
from bench.membership.report import Line, Outcome, at_most, format_time, table
from bench.membership.segments import ALMOST_ALL, DYNAMIC, EACH, RELATIVE, STATIC
from bench.membership.store import Store, require_equal
from bench.progress import Progress
from diglot.model.pages import Window
from diglot.storage.tenant import Tenant

KINDS = (DYNAMIC, RELATIVE, STATIC)
PAGE = 100
SHARES = (0.0, 0.5, 0.9)
OURS, POINTS = "ours", "raw"


def storage_count_work(store: Store, kind: str) -> Work:
    """Return work that counts the segments of a kind in turn, at the storage layer."""
    made, workspace = store.note.of_kind(kind), store.main.workspace
    return store.read_work(
        lambda _, transaction, turn: product.stored_count(
            Tenant(transaction, workspace), made[turn % EACH].id, store.now
        )
    )


def service_count_work(store: Store, kind: str) -> Work:
    """Return the same work through the service, with one transaction for each count."""
    made, caller = store.note.of_kind(kind), store.main

    async def work(times: int) -> None:
        service = store.segments()
        for turn in range(times):
            await service.count_members(caller, made[turn % EACH].id)

    return work


def point_read_work(store: Store) -> Work:
    """Return work that reads rows of contacts by primary key, thirty of them in turn."""
    keys = Random(1).sample(range(1, store.note.contacts + 1), EACH)
    return store.raw.query_work(store.raw.sql(POINT), *((store.main.workspace, key) for key in keys))


async def counts(store: Store, small: Store) -> Outcome:
    """Compare counts with point reads, and with counts in a small database."""
    await _require_counts(store)
    await _require_counts(small)
    sides: dict[str, Work] = {POINTS: point_read_work(store)}
    for kind in KINDS:
        sides[kind] = storage_count_work(store, kind)
        sides[f"{kind}, small"] = storage_count_work(small, kind)
        sides[f"{kind}, service"] = service_count_work(store, kind)
    with Progress("counts measured, rounds", ROUNDS) as progress:
        result = await store.meter.with_other(small.meter).compare(sides, step=progress.step)
    lines = [_compare_with_point_read(result, kind) for kind in KINDS] + [
        at_most(
            f"count of a saved segment ({kind}), the same at {small.note.contacts:,} contacts, CPU",
            format_time(result.median(kind, cpu)),
            format_time(result.median(f"{kind}, small", cpu)),
            result.ratios(kind, f"{kind}, small", cpu),
            1.3,
        )
        for kind in KINDS
    ]
    rows = [
        (side, format_time(result.median(side, cpu)), format_time(result.median(side, wall)))
        for side in sides
    ]
    return Outcome(lines, table(("one count or point read", "CPU", "wall"), rows))


def _compare_with_point_read(compared: Compared, kind: str) -> Line:
    return at_most(
        f"count of a saved segment ({kind}), storage layer, compared with a raw primary-key read, CPU",
        format_time(compared.median(kind, cpu)),
        format_time(compared.median(POINTS, cpu)),
        compared.ratios(kind, POINTS, cpu),
        1.5,
    )


async def _require_counts(store: Store) -> None:
    """Raise RuntimeError if a dynamic or relative segment has other members than its condition."""
    moving = store.note.of_kind(DYNAMIC) + store.note.of_kind(RELATIVE)
    with Progress("counts checked against scans", len(moving)) as progress:
        for item in moving:
            require_equal(
                item.spec.name, await store.count_segment(item), scanned=await store.count_by_scan(item.spec)
            )
            progress.step()


async def pages(store: Store) -> Outcome:
    """Compare pages of a large segment, at three offsets, with keyset pages of the driver."""
    limit = 2.0 if not store.postgresql else 3.0
    lines: list[Line] = []
    details: list[tuple[str, ...]] = []
    for share in SHARES:
        offset = int(store.note.contacts * share)
        result = await _page(store, store.note.named(ALMOST_ALL).id, offset)
        what = f"page of {PAGE} at offset {offset:,} compared with a raw keyset page, CPU"
        ours, other = format_time(result.median(OURS, cpu)), format_time(result.median(POINTS, cpu))
        lines.append(at_most(what, ours, other, result.ratios(OURS, POINTS, cpu), limit))
        walls = (format_time(result.median(OURS, wall)), format_time(result.median(POINTS, wall)))
        details.append((f"{offset:,}", *walls))
    return Outcome(lines, table(("page at offset", "ours, wall", "raw, wall"), details))


async def _page(store: Store, segment: str, offset: int) -> Compared:
    first, window = await first_key(store, segment, offset), Window(offset, PAGE)
    ours = store.read_work(lambda service, _, __: service.list_members(store.main, segment, window))
    keyset = store.raw.query_work(store.raw.sql(KEYSET), (store.main.workspace, first))
    return await store.meter.compare({OURS: ours, POINTS: keyset})


async def first_key(store: Store, segment: str, offset: int) -> int:
    """Return the first key of a page; raise RuntimeError if the page differs from a scan."""
    page = await store.segments().list_members(store.main, segment, Window(offset, PAGE))
    sql = store.raw.sql(
        "SELECT pk FROM contacts {pin} WHERE workspace = {} AND first_name IS NOT NULL "
        "ORDER BY pk DESC LIMIT 100 OFFSET {}"
    )
    keys = [row[0] for row in await store.raw.rows(sql, store.main.workspace, offset)]
    if [contact.pk for contact in page.items] != keys:
        raise RuntimeError(f"the page at offset {offset:,} differs from a scan")
    return int(keys[0])
