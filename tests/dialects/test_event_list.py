"""Events read back: random filters agree with a naive one, pages neither repeat nor skip, no query scans."""

from contextlib import closing
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.api.dialect import Dialect
from diglot.conditions import dates
from diglot.dialects.registry import DIALECTS
from diglot.storage.audience import event_pages
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from support import engines
from support.reporting import SEED, Tally
from support.servers.api_clients import dialect_clients
from support.servers.in_process import bearer, serving

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
NAMES = ("email.opened", "own", "café", "a.b.count")
EVENTS = 60
QUERIES = 60


@dataclass
class World:
    """Contacts and what they did, in the order in which it arrived: contact, name and second."""

    people: list[str] = field(default_factory=list)
    events: list[tuple[str, str, int, str]] = field(default_factory=list)

    def expected(self, query: dict[str, str]) -> list[str]:
        """Return the ids of the events that a query asks for, the last to arrive first."""
        since = _second(query.get("since", "0001-01-01"))
        before = _second(query.get("before", "9999-01-01"))
        return [
            id_
            for who, name, at, id_ in reversed(self.events)
            if query.get("contact_id", who) == who
            and query.get("name", name) == name
            and since <= at < before
        ]


def _second(written: str) -> int:
    parsed = dates.parse(written)
    assert parsed is not None
    return parsed.to_instant(ZoneInfo("UTC")) // SECOND


async def fill(server: Any, rng: Random) -> World:
    """Create contacts, and events of which some arrive late, and some are caused by machines."""
    world, (misar, _) = World(), await dialect_clients(server)
    for n in range(4):
        made = await misar.request("POST", "/contacts", {"email": f"p{n}@example.com"}, 201)
        world.people.append(made["data"]["id"])
    for _ in range(EVENTS):
        server.now += rng.choice((0, 1, SECOND))
        n, name = rng.randrange(4), rng.choice(NAMES)
        at = server.now // SECOND - rng.choice((0, 0, 1, 5, 60))
        written = dates.format_instant(at * SECOND)
        body: dict[str, Any] = {"email": f"p{n}@example.com", "event_name": name, "timestamp": written}
        body |= {"event_data": {"machine": True}} if rng.random() < 0.3 else {}
        answer = await misar.request("POST", "/track/event", body)
        world.events.append((world.people[n], name, at, answer["event_id"]))
    return world


def draw_query(rng: Random, world: World) -> dict[str, str]:
    """Return filters, each with a chance of a half."""
    moment = dates.format_instant(rng.choice(world.events)[2] * SECOND)
    later = dates.format_instant(rng.choice(world.events)[2] * SECOND)
    every = {
        "contact_id": rng.choice(world.people),
        "name": rng.choice(NAMES),
        "since": moment,
        "before": later,
    }
    return {name: value for name, value in every.items() if rng.random() < 0.5}


async def _read_all(server: Any, dialect: Dialect, query: dict[str, str], limit: int) -> list[str]:
    """Return the ids of all pages; the total has to be their number."""
    key, found, number = await server.key(dialect.name, "one"), list[str](), 0
    while True:
        by_page = {"page": str(number + 1)} if dialect.name == "misar" else {"offset": str(number * limit)}
        answer = await server.client.get(
            f"{dialect.prefix}/events", params=query | by_page | {"limit": str(limit)}, headers=bearer(key)
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [one["id"] for one in page["data"]]
        number += 1
        if len(page["data"]) < limit:
            assert page["pagination"]["total"] == len(found)
            return found


async def test_random_filters(url: str, pytestconfig: pytest.Config, tally: Tally) -> None:
    """Each filter, alone and with others, in pages of one to all, in both dialects."""
    rng = Random(pytestconfig.stash[SEED])
    async with serving(url, now=NOW) as server:
        world = await fill(server, rng)
        for number in range(QUERIES):
            query, dialect = draw_query(rng, world), DIALECTS[number % 2]
            found = await _read_all(server, dialect, query, rng.choice((3, 7, 100)))
            assert found == world.expected(query), query
    tally("pages of events compared with a naive filter", "all", QUERIES)


FILTERS = [names for n in range(5) for names in combinations(sorted(("before", "name", "pk", "since")), n)]


@pytest.mark.parametrize("filters", FILTERS, ids=lambda names: "-".join(names) or "all")
async def test_no_query_scans(filters: tuple[str, ...]) -> None:
    """A name and a contact are looked up; without them a page is read from the end of the table, unsorted."""
    async with engines.SQLITE.fresh() as url:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
            for statement in (event_pages._count_statement(filters), event_pages._page_statement(filters)):
                sql = statement.sql_for(SQLITE)
                values = [1] * len(sql.parameter_names)
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", values)]
                steps = [step for step in plan if " events " in step]
                assert steps
                assert all(step.startswith("SEARCH events USING") for step in steps), plan
                if "name" in filters:
                    found = " ".join(steps)
                    assert "events_of_stream (workspace=? AND stream=?" in found
                    assert "events_not_counted (workspace=? AND name=?" in found
                elif "pk" in filters:
                    assert "events_of_contact (workspace=? AND pk=?" in " ".join(steps)
                else:
                    assert not any("B-TREE" in step for step in plan)


async def test_an_event_is_found_by_its_id() -> None:
    """Reading one back costs a look at an index."""
    async with engines.SQLITE.fresh() as url:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
            sql = event_pages._BY_ID.sql_for(SQLITE)
            values = [1] * len(sql.parameter_names)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", values)]
    assert "INDEX events_by_id (id=? AND workspace=?)" in plan[0]
