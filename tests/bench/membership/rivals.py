"""Compares the thirty dynamic segments with listmonk's and Mautic's queries for them, on one PostgreSQL."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.membership import peers, product
from bench.membership.meter import Compared, Work, server, wall
from bench.membership.notes import Made
from bench.membership.peer_sql import LISTMONK, MAUTIC, Peer
from bench.membership.report import Line, Outcome, at_least, number, table, time, unmeasured
from bench.membership.segments import DYNAMIC
from bench.membership.store import Store, require
from bench.progress import Progress
from diglot.model.pages import Window

ROUNDS = 3
FIRST_PAGE = Window(0, 100)
PEERS = (LISTMONK, MAUTIC)
COUNT, PAGE = "count", "page"


@dataclass(frozen=True)
class Asked:
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
            "count of a saved segment beside listmonk's kind of count",
            "the 30 segments as others ask them",
        )
        return Outcome(
            [unmeasured(name, "≥ 2,000" if not at else "30 of 30", why) for at, name in enumerate(names)]
        )
    await peers.have(store)
    made = store.note.of_kind(DYNAMIC)
    asked = []
    with Progress("segments asked on all sides", len(made)) as progress:
        for one in made:
            asked.append(await _ask(store, one))
            progress.step()
    return Outcome(_lines(asked), _details(asked))


async def _ask(store: Store, one: Made) -> Asked:
    workspace, node = store.main.workspace, one.spec.node
    sides: dict[str, Work] = {
        COUNT: store.reading(
            lambda _, transaction, __: product.stored_count(transaction, workspace, one.id, store.now)
        ),
        PAGE: store.reading(lambda service, _, __: service.list_members(store.main, one.id, FIRST_PAGE)),
    }
    members = await store.counted(one)
    for peer in PEERS:
        count = peer.count(node)
        require(one.spec.name, members, **{peer.name: int(await store.raw.value(count))})
        sides[f"{peer.name} {COUNT}"] = store.raw.asking(count, ())
        sides[f"{peer.name} {PAGE}"] = store.raw.asking(peer.page(node), ())
    return Asked(one.spec.name, members, await store.meter.compare(sides, ROUNDS, most_times=200))


def _lines(asked: list[Asked]) -> list[Line]:
    times = [one.theirs(LISTMONK, COUNT) / one.ours(COUNT) for one in asked]
    ours = time(statistics.median(one.ours(COUNT) for one in asked))
    theirs = time(statistics.median(one.theirs(LISTMONK, COUNT) for one in asked))
    what = "count of a saved segment beside listmonk's kind of count, server CPU, median and range of the 30"
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


def _of(peer: Peer, what: str) -> Callable[[Asked], float]:
    return lambda one: one.theirs(peer, what)


def _both(peer: Peer) -> Callable[[Asked], float]:
    return lambda one: one.with_total(peer)


def _faster(what: str, asked: list[Asked], ours: str, theirs: Callable[[Asked], float]) -> Line:
    ratios = [theirs(one) / one.ours(ours) for one in asked]
    faster = sum(ratio > 1 for ratio in ratios)
    return Line(
        f"{what}, server CPU",
        time(statistics.median(one.ours(ours) for one in asked)),
        time(statistics.median(theirs(one) for one in asked)),
        f"{number(statistics.median(ratios))} ({number(min(ratios))} to {number(max(ratios))})",
        f"ours faster for {len(asked)}",
        "yes" if faster == len(asked) else f"NO: {faster}",
    )


def _details(asked: list[Asked]) -> str:
    names = [peer.name for peer in PEERS]
    alone = sum(one.theirs(peer, PAGE) > one.ours(PAGE) for one in asked for peer in PEERS)
    head = [
        *("segment", "members", "count: ours", *names),
        *("page with total: ours", *(f"{name} without total" for name in names)),
        *("ours faster", "our wall: count, page"),
    ]
    body = table(head, [_row(one) for one in asked])
    return f"{body}\n\nOur pages, with totals, cost less than theirs without in {alone} of {len(asked) * 2}."


def _row(one: Asked) -> list[str]:
    faster = all(
        one.theirs(peer, COUNT) > one.ours(COUNT) and one.with_total(peer) > one.ours(PAGE) for peer in PEERS
    )
    sides = [
        [time(one.ours(what)), *(time(one.theirs(peer, what)) for peer in PEERS)] for what in (COUNT, PAGE)
    ]
    walls = ", ".join(time(one.found.median(what, wall)) for what in (COUNT, PAGE))
    return [one.name, f"{one.members:,}", *sides[0], *sides[1], "yes" if faster else "NO", walls]
