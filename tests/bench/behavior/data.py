"""A workspace with contacts and events of three names: builds it, or opens one that an earlier run kept."""

from collections.abc import Sequence
from itertools import groupby
from random import Random
from typing import Any, Final

from sqlalchemy import bindparam, select

from bench.membership import build
from bench.membership.databases import finish, is_missing
from bench.membership.notes import MAIN, Note
from bench.membership.places import Place
from bench.progress import Progress
from diglot.conditions.events.states import MAX_RECENT, pack_instants
from diglot.model.ids import new_id
from diglot.storage import bulk
from diglot.storage.schema import event_names, event_states, events
from diglot.storage.sql.statement import Statement
from diglot.storage.write_unit import WriteUnit, lock_workspace

NAMES: Final = ("viewed", "opened", "bought")
PLANS: Final = ("free", "pro", "team", "max")
DAY: Final = 86_400_000_000
DAYS: Final = 730
BATCH: Final = 5_000
_e = events.c
_INSERT_EVENTS: Final = bulk.build_insert(events)
_INSERT_STATES: Final = bulk.build_insert(event_states)
_INSERT_NAMES: Final = bulk.build_insert(event_names)
_OF_CONTACTS: Final = Statement(
    select(_e.pk, _e.stream, _e.happened_at)
    .where(_e.workspace == bindparam("workspace"), _e.pk.between(bindparam("first"), bindparam("last")))
    .order_by(_e.pk, _e.stream, _e.happened_at.desc())
)


def name_of(contacts: int, count: int) -> str:
    """Return the name of a database with so many contacts and events."""
    return f"diglot_bench_events_{contacts}_{count}"


async def prepare(place: Place, contacts: int, count: int, now: int) -> str:
    """Build the database, unless an earlier run kept it; return its name."""
    name = name_of(contacts, count)
    if is_missing(place, name, contacts):
        url = await place.database(name, anew=True)
        keys = await build.fill(url, contacts, now)
        async with build.building(url, now) as builder:
            await _fill(builder, (await builder.caller(keys)).workspace, contacts, count)
        await finish(place, name, url, Note(contacts, {MAIN: keys}))
    return name


async def _fill(builder: build.Builder, workspace: int, contacts: int, count: int) -> None:
    """Insert events in the order of their instants, and then what they add up to."""
    rng = Random(7)

    async def write(work: Any) -> None:
        await builder.engine.write(lock_workspace(workspace, lambda: builder.now, work))

    async def name_events(unit: WriteUnit) -> None:
        first = unit.take_keys("event_name", len(NAMES))
        await _INSERT_NAMES.execute(
            unit, [{"number": first + place, "name": name} for place, name in enumerate(NAMES)]
        )

    await write(name_events)
    with Progress("events inserted", count) as progress:
        for begin in range(0, count, BATCH):
            rows = [
                _row(rng, builder.now, n, contacts, count) for n in range(begin, min(begin + BATCH, count))
            ]

            async def insert(unit: WriteUnit, rows: Sequence[dict[str, Any]] = rows) -> None:
                first = unit.take_keys("event", len(rows))
                await _INSERT_EVENTS.execute(
                    unit, [row | {"event": first + place} for place, row in enumerate(rows)]
                )

            await write(insert)
            progress.step(len(rows))
    with Progress("contacts added up", contacts) as progress:
        for first in range(1, contacts + 1, BATCH):

            async def add_up(unit: WriteUnit, first: int = first) -> None:
                found = await unit.fetch_all(_OF_CONTACTS, first=first, last=first + BATCH - 1)
                groups = groupby(found, key=lambda row: (row[0], row[1]))
                states = [_state(*key, [row[2] for row in rows]) for key, rows in groups]
                await _INSERT_STATES.execute(unit, states)

            await write(add_up)
            progress.step(min(BATCH, contacts - first + 1))


def _row(rng: Random, now: int, number: int, contacts: int, count: int) -> dict[str, Any]:
    """Return an event; some contacts have many, and the names are 1, 2 and 3."""
    stream = rng.choices((1, 2, 3), (5, 3, 2))[0]
    at = now - DAYS * DAY + number * DAYS * DAY // count
    price, plan = rng.randrange(20_000) / 100, rng.choice(PLANS)
    return {
        "id": new_id(),
        "pk": int(rng.random() ** 2 * contacts) + 1,
        "kind": "other",
        "name": NAMES[stream - 1],
        "stream": stream,
        "source_id": None,
        "campaign_id": None,
        "happened_at": at,
        "created_at": at,
        "body": f'{{"data":{{"plan":"{plan}","price":{price},"item":"i{rng.randrange(5_000)}"}}}}',
    }


def _state(pk: int, stream: int, instants: Sequence[int]) -> dict[str, Any]:
    return {
        "pk": pk,
        "stream": stream,
        "count": len(instants),
        "first_at": instants[-1],
        "last_at": instants[0],
        "revenue": "0",
        "recent": pack_instants(tuple(instants[:MAX_RECENT])),
    }
