"""Compares the thirty dynamic segments with listmonk's and Mautic's queries for them, on one PostgreSQL."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.membership import peers, product
from bench.membership.meter import Compared, Work, server, wall
from bench.membership.notes import BuiltSegment
from bench.membership.peer_sql import LISTMONK, MAUTIC, Peer
from bench.membership.report import Line, Outcome, at_least, format_number, format_time, table, unmeasured
from bench.membership.segments import DYNAMIC
from bench.membership.store import Store, require_equal
from bench.progress import Progress
from diglot.model.pages import Window
from diglot.storage.tenant import Tenant

ROUNDS = 3
FIRST_PAGE = Window(0, 100)
PEERS = (LISTMONK, MAUTIC)
COUNT, PAGE = "count", "page"


@dataclass(frozen=True)
class SegmentMeasurement:
    """The measurements of one segment on all sides."""

    name: str
    members: int
    found: Compared

    def ours(self, what: str) -> float:
        """Return the server's CPU of our page, which includes the count."""
        return self.found.median(what, server)

    def theirs(self, peer: Peer, what: str) -> float:
        """Return the server's CPU of the other system."""
        return self.found.median(f"{peer.name} {what}", server)

    def with_total(self, peer: Peer) -> float:
        """Return the other system's cost of a page and its total."""
        return self.theirs(peer, PAGE) + self.theirs(peer, COUNT)


async def compare(store: Store) -> Outcome:
    """Compare counts and first pages."""
    if not store.postgresql:
        why = "their tables stand in PostgreSQL: run with it"
        names = (
            "count of a saved segment, and listmonk's kind of count",
            "the 30 segments as others ask them",
        )
        return Outcome(
            [unmeasured(name, "≥ 2,000" if not at else "30 of 30", why) for at, name in enumerate(names)]
        )
    await peers.fill_tables(store)
    segments = store.note.of_kind(DYNAMIC)
    asked = []
    with Progress("segments queried on all sides", len(segments)) as progress:
        for item in segments:
            asked.append(await _ask(store, item))
            progress.step()
    return Outcome(_lines(asked), _details(asked))


async def _ask(store: Store, segment: BuiltSegment) -> SegmentMeasurement:
    workspace, node = store.main.workspace, segment.spec.node
    sides: dict[str, Work] = {
        COUNT: store.read_work(
            lambda _, transaction, __: product.stored_count(
                Tenant(transaction, workspace), segment.id, store.now
            )
        ),
        PAGE: store.read_work(
            lambda service, _, __: service.list_members(store.main, segment.id, FIRST_PAGE)
        ),
    }
    members = await store.count_segment(segment)
    for peer in PEERS:
        count = peer.count(node)
        require_equal(segment.spec.name, members, **{peer.name: int(await store.raw.value(count))})
        sides[f"{peer.name} {COUNT}"] = store.raw.query_work(count, ())
        sides[f"{peer.name} {PAGE}"] = store.raw.query_work(peer.page(node), ())
    return SegmentMeasurement(
        segment.spec.name, members, await store.meter.compare(sides, ROUNDS, most_times=200)
    )


def _lines(asked: list[SegmentMeasurement]) -> list[Line]:
    times = [measured.theirs(LISTMONK, COUNT) / measured.ours(COUNT) for measured in asked]
    ours = format_time(statistics.median(measured.ours(COUNT) for measured in asked))
    theirs = format_time(statistics.median(measured.theirs(LISTMONK, COUNT) for measured in asked))
    what = "count of a saved segment, and listmonk's kind of count, server CPU, median and range of the 30"
    lines = [at_least(what, ours, theirs, times, 2000)]
    for peer in PEERS:
        lines.append(
            _faster(f"counts of the 30 segments as {peer.name} asks them", asked, COUNT, _of(peer, COUNT))
        )
        with_total = "first pages of 100 with their totals"
        lines.append(
            _faster(f"{with_total} of the 30 segments as {peer.name} asks them", asked, PAGE, _both(peer))
        )
    return lines


def _of(peer: Peer, what: str) -> Callable[[SegmentMeasurement], float]:
    return lambda one: one.theirs(peer, what)


def _both(peer: Peer) -> Callable[[SegmentMeasurement], float]:
    return lambda one: one.with_total(peer)


def _faster(
    what: str, asked: list[SegmentMeasurement], ours: str, theirs: Callable[[SegmentMeasurement], float]
) -> Line:
    ratios = [theirs(measured) / measured.ours(ours) for measured in asked]
    faster = sum(ratio > 1 for ratio in ratios)
    return Line(
        f"{what}, server CPU",
        format_time(statistics.median(measured.ours(ours) for measured in asked)),
        format_time(statistics.median(theirs(measured) for measured in asked)),
        f"{format_number(statistics.median(ratios))} ({format_number(min(ratios))} "
        f"to {format_number(max(ratios))})",
        f"ours faster for {len(asked)}",
        "yes" if faster == len(asked) else f"NO: {faster}",
    )


def _details(asked: list[SegmentMeasurement]) -> str:
    names = [peer.name for peer in PEERS]
    alone = sum(measured.theirs(peer, PAGE) > measured.ours(PAGE) for measured in asked for peer in PEERS)
    head = [
        *("segment", "members", "count: ours", *names),
        *("page with total: ours", *(f"{name} without total" for name in names)),
        *("ours faster", "our wall: count, page"),
    ]
    body = table(head, [_row(measured) for measured in asked])
    return f"{body}\n\nOur pages, with totals, cost less than theirs without in {alone} of {len(asked) * 2}."


def _row(measurement: SegmentMeasurement) -> list[str]:
    faster = all(
        measurement.theirs(peer, COUNT) > measurement.ours(COUNT)
        and measurement.with_total(peer) > measurement.ours(PAGE)
        for peer in PEERS
    )
    sides = [
        [
            format_time(measurement.ours(what)),
            *(format_time(measurement.theirs(peer, what)) for peer in PEERS),
        ]
        for what in (COUNT, PAGE)
    ]
    walls = ", ".join(format_time(measurement.found.median(what, wall)) for what in (COUNT, PAGE))
    return [
        measurement.name,
        f"{measurement.members:,}",
        *sides[0],
        *sides[1],
        "yes" if faster else "NO",
        walls,
    ]
