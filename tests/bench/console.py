"""Opens each page of the console at a million contacts and a thousand segments, in a server of its own.

A part that arrives after its page is a row of its own. `PATHS` has the pages: a new page is a new row there.
All contacts enter the segments by one write, which is the largest row that the log can have. So what looks
for the time when one contact entered, an explanation and the page of a contact, is at its slowest.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final
from urllib.parse import urlencode

import httpx

from bench.load import cpu_of
from bench.membership import build, product
from bench.membership.databases import finish, is_missing
from bench.membership.live import active_segments
from bench.membership.notes import MAIN, Note, read
from bench.membership.places import Place, place
from bench.membership.report import format_time, table
from bench.progress import Progress
from diglot.console.pages.segment import PER_PAGE
from diglot.model.pages import Window
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.segments import Segments
from diglot.storage.connect import create_engine
from diglot.storage.contacts import queries
from diglot.storage.schema import migrate
from diglot.storage.tenant import bind_workspace
from support.servers.process import ServerProcess, running

SEGMENTS: Final = 1_000
ROUNDS: Final = 7
BAR: Final = 1.0
# Each page by its name. `{segment}` has the most members, `{contact}` is one in the middle.
PATHS: Final = (
    ("segments", "/console"),
    ("segments, last page", "/console?page=40"),
    ("segments, search", "/console?q=9"),
    ("segments, counts", "/console/segments/counts?page=1"),
    ("segment", "/console/segments/{segment}"),
    ("segment, count", "/console/segments/{segment}/count"),
    ("segment, sparkline", "/console/segments/{segment}/sparkline"),
    ("segment, history of a year", "/console/segments/{segment}/history?days=365"),
    ("segment, members", "/console/segments/{segment}/members"),
    ("segment, members far down", "/console/segments/{segment}/members?page={middle}"),
    ("segment, explanation", "/console/segments/{segment}/explain?contact={contact}"),
    ("contacts", "/console/contacts"),
    ("contacts far down", "/console/contacts?page=20000"),
    ("contacts, an address", "/console/contacts?q={email}"),
    ("contact", "/console/contacts/{contact}"),
    ("imports", "/console/imports"),
    ("export", "/console/export"),
)


@dataclass(frozen=True)
class Opened:
    """A page that was opened some times: seconds each, CPU seconds of the server, bytes, and the status."""

    name: str
    seconds: Sequence[float]
    cpu: float
    size: int
    status: int


async def run(kind: str, contacts: int, keep: str | None, now: int) -> str:
    """Measure on one kind of database and return the table."""
    name = f"diglot_bench_console_{contacts}"
    with place(kind, keep) as where:
        if is_missing(where, name, contacts):
            await _build(where, name, contacts, now)
        note = read(where.note(name))
        assert note is not None
        url = await where.database(name, anew=False)
        async with running(url) as live:
            return report(await _open_all(live, url, note, contacts))


async def _build(where: Place, name: str, contacts: int, now: int) -> None:
    url = await where.database(name, anew=True)
    await migrate.upgrade_schema(url)
    async with build.building(url, now) as builder:
        keys = await builder.key(MAIN)
        caller = await builder.caller(keys)
        # A segment is evaluated immediately while the workspace has no contacts.
        live = await builder.create(caller, active_segments(SEGMENTS, now), "segments")
        await builder.fill(caller.workspace, contacts)
        with Progress("segments evaluated", 1) as progress:
            await product.refresh_all(builder.engine, caller)
            progress.step()
    await finish(where, name, url, Note(contacts, {MAIN: keys}, live={MAIN: live}))


async def _open_all(live: ServerProcess, url: str, note: Note, contacts: int) -> list[Opened]:
    link, values = await _prepare(url, note, contacts)
    async with httpx.AsyncClient(base_url=live.base, timeout=120) as client:
        entered = await client.post(
            "/console/enter",
            content=urlencode({"token": link}),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert entered.status_code == 303, entered.text
        return [await _open(client, live.pid, page, path.format_map(values)) for page, path in PATHS]


async def _prepare(url: str, note: Note, contacts: int) -> tuple[str, Mapping[str, str]]:
    """Return a one-time link, and what paths name."""
    engine = create_engine(url)
    await engine.open()
    try:
        caller = await Keys(engine).authenticate("misar", note.keys[MAIN]["misar"])
        link = await Sessions(engine, RateLimits(engine)).create_link(caller)
        load = partial(queries.load_contact_page, window=Window(contacts // 2, 1))
        (contact,) = await engine.read(bind_workspace(caller.workspace, load))
        page = await Segments(engine).list_page_with_counts(caller, Window(0, SEGMENTS))
    finally:
        await engine.close()
    largest = max(page.items, key=lambda one: one.count)
    middle = str(largest.count // 2 // PER_PAGE)
    return link, {
        "segment": largest.segment.id,
        "middle": middle,
        "contact": contact.id,
        "email": contact.email,
    }


async def _open(client: httpx.AsyncClient, pid: int, name: str, path: str) -> Opened:
    """Open a page some times; the first time is one of them, as it is for a person."""
    seconds, cpu = [], cpu_of(pid)
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = await client.get(path)
        seconds.append(time.perf_counter() - begun)
    return Opened(name, seconds, (cpu_of(pid) - cpu) / ROUNDS, len(answer.content), answer.status_code)


def report(pages: Sequence[Opened]) -> str:
    """Return the table of the pages."""
    head = ("page", "median", "slowest", "CPU of the server", "KB", "status", f"under {BAR:g} s")
    return table(
        head,
        [
            (
                one.name,
                format_time(median(one.seconds)),
                format_time(max(one.seconds)),
                format_time(one.cpu),
                f"{one.size / 1_000:.0f}",
                str(one.status),
                "yes" if max(one.seconds) < BAR else "NO",
            )
            for one in pages
        ],
    )
