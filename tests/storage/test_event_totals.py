"""The states of events are what a naive count of all events finds, also after a migration."""

import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from diglot.conditions import dates
from diglot.conditions.events.states import MAX_RECENT, unpack_instants
from diglot.model.events import read_order_id
from diglot.storage.schema import contacts, event_names, event_states, events, migrate
from support.earlier_revisions import take_back
from support.marked_rows import load_rows
from support.reporting import SEED, Tally
from support.servers.api_clients import DialectClient, dialect_clients
from support.servers.in_process import serving

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
STEPS = 400
# The first two are one name in two forms of Unicode.
NAMES = ("cafe\u0301", "caf\u00e9", "own", "a.b.count", "email.opened", "email.clicked")
# What is sent, and what that is worth.
AMOUNTS: tuple[tuple[Any, str], ...] = (
    *((5, "5"), (0.1, "0.1"), (0.2, "0.2"), ("1.50", "1.5"), ("-2", "-2")),
    *((None, "0"), (True, "0"), ("free", "0")),
)


@dataclass
class Naive:
    """All events that are to be counted, by the address of the contact and the name."""

    instants: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    sums: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    # The contact and the name of the event that has each source id.
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, email: str, name: str, at: int, worth: Decimal) -> None:
        key = email, unicodedata.normalize("NFC", name)
        self.instants.setdefault(key, []).append(at)
        self.sums[key] = self.sums.get(key, Decimal(0)) + worth

    def forget(self, email: str) -> None:
        for of_all in (self.instants, self.sums):
            for key in [key for key in of_all if key[0] == email]:
                del of_all[key]
        self.ids = {id_: owned for id_, owned in self.ids.items() if owned[0] != email}

    def expected(self) -> dict[tuple[str, str], Any]:
        return {
            key: (len(some), min(some), max(some), self.sums[key], tuple(sorted(some)[::-1][:MAX_RECENT]))
            for key, some in self.instants.items()
        }


@dataclass
class EventWorld:
    """A server, its clients, a source of random events, and their naive count."""

    server: Any
    misar: DialectClient
    topmail: DialectClient
    rng: Random
    naive: Naive = field(default_factory=Naive)
    people: dict[str, str] = field(default_factory=dict)
    created: int = 0

    async def create(self) -> None:
        self.created += 1
        email = f"p{self.created}@example.com"
        made = await self.misar.request("POST", "/contacts", {"email": email}, 201)
        self.people[email] = made["data"]["id"]

    async def step(self) -> None:
        rng = self.rng
        self.server.now += rng.choice((0, 1, SECOND))
        if len(self.people) < 4:
            await self.create()
        if rng.random() < 0.02:
            email = rng.choice([*self.people])
            await self.misar.request("DELETE", f"/contacts/{self.people.pop(email)}")
            self.naive.forget(email)
            return
        send = rng.choice((self.track, self.track, self.track, self.convert, self.order, self.view))
        await send(rng.choice([*self.people]))

    def _moment(self) -> tuple[int, str]:
        """Return an instant that is now or earlier, and how it is written."""
        seconds = self.server.now // SECOND - self.rng.choice((0, 0, 1, 5, 3_600))
        return seconds * SECOND, dates.format_instant(seconds * SECOND)

    def _take_id(self, email: str, name: str, id_: str | None, accepted: int = 200) -> tuple[bool, int]:
        """Return whether an event with a source id counts, because it is the first one, and its status."""
        if id_ is None:
            return True, accepted
        is_new, owned = id_ not in self.naive.ids, (email, unicodedata.normalize("NFC", name))
        return is_new, accepted if self.naive.ids.setdefault(id_, owned) == owned else 409

    async def track(self, email: str) -> None:
        name, (at, written) = self.rng.choice(NAMES), self._moment()
        amount, worth = self.rng.choice(AMOUNTS)
        machine = self.rng.choice((None, None, None, True, False, "true"))
        id_ = self.rng.choice((None, f"event {self.rng.randrange(60)}"))
        data = {"revenue": amount, "machine": machine}
        body = {"email": email, "event_name": name, "event_data": data, "timestamp": written}
        body |= {} if id_ is None else {"event_id": id_}
        is_new, status = self._take_id(email, name, id_)
        if is_new and machine is not True:
            self.naive.add(email, name, at, Decimal(worth))
        await self.misar.request("POST", "/track/event", body, status)

    async def convert(self, email: str) -> None:
        kind, amount, (at, written) = self.rng.choice(("signup", "custom")), 0.1, self._moment()
        machine, id_ = self.rng.choice((True, False)), f"event {self.rng.randrange(60)}"
        body = {"email": email, "type": kind, "revenue": amount, "converted_at": written, "event_id": id_}
        body |= {"metadata": {"machine": machine, "revenue": 100}}
        is_new, status = self._take_id(email, kind, f"conversion {id_}", 201)
        if is_new and not machine:
            self.naive.add(email, kind, at, Decimal("0.1"))
        await self.topmail.request("POST", "/conversions", body, status)

    async def order(self, email: str) -> None:
        cents, order, (at, written) = (
            self.rng.randrange(10_000),
            f"order {self.rng.randrange(60)}",
            self._moment(),
        )
        body = {"email": email, "order_id": order, "total_cents": cents, "timestamp": written}
        # An order is known by its id alone, whoever sends it again.
        if self._take_id(email, "purchase", order)[0]:
            self.naive.add(email, "purchase", at, Decimal(cents) / 100)
        await self.misar.request("POST", "/track/purchase", body)

    async def view(self, email: str) -> None:
        product, id_ = f"product {self.rng.randrange(9)}", f"event {self.rng.randrange(60)}"
        body = {
            "email": email,
            "product_id": product,
            "product_name": product,
            "product_url": "https://example.com/p",
            "event_id": id_,
        }
        is_new, status = self._take_id(email, "product_viewed", f"view {id_}", 201)
        if is_new:
            self.naive.add(email, "product_viewed", self.server.now, Decimal(0))
        await self.topmail.request("POST", "/track/product-view", body, status)


TABLES = (contacts, event_names, event_states, events)


async def read_states(url: str) -> dict[tuple[str, str], Any]:
    """Return all that is stored of states, by the address of the contact and the name."""
    rows = {
        table.name: [dict(zip(table.c.keys(), row, strict=True)) for row in found]
        for table, found in zip(TABLES, (await load_rows(url, TABLES)).values(), strict=True)
    }
    emails = {row["pk"]: row["email"] for row in rows["contacts"]}
    names = {row["number"]: row["name"] for row in rows["event_names"]}
    assert [row["number"] for row in rows["event_names"]] == [*range(1, len(names) + 1)]
    counted = [row for row in rows["events"] if row["stream"] is not None]
    assert all(names[row["stream"]] == unicodedata.normalize("NFC", row["name"]) for row in counted)
    assert len(counted) == sum(row["count"] for row in rows["event_states"])
    return {
        (emails[row["pk"]], names[row["stream"]]): (
            *(row["count"], row["first_at"], row["last_at"], Decimal(row["revenue"])),
            unpack_instants(bytes(row["recent"])),
        )
        for row in rows["event_states"]
    }


async def test_states_agree_with_a_naive_count(url: str, pytestconfig: pytest.Config, tally: Tally) -> None:
    """Late events, repetitions, machines, deleted contacts; and a migration finds the same of the events."""
    rng, compared = Random(pytestconfig.stash[SEED]), 0
    async with serving(url, now=NOW) as server:
        world = EventWorld(server, *(await dialect_clients(server)), rng)
        for step in range(STEPS):
            await world.step()
            if step % 10 == 0 or step == STEPS - 1:
                states = await read_states(url)
                assert states == world.naive.expected()
                compared += len(states)
    before = await load_rows(url)
    await take_back(url, "r007")
    await migrate.upgrade_schema(url)
    assert await read_states(url) == world.naive.expected()
    after = await load_rows(url)
    assert _without_numbers(after["events"]) == _without_numbers(before["events"])
    tally("states of events compared with a naive count", "all", compared)


def _without_numbers(rows: list[Any]) -> list[dict[str, Any]]:
    """Return events without what a migration cannot know: names without events, and ids that r007 had not."""
    named = [dict(zip(events.c.keys(), row, strict=True)) for row in rows]
    return [
        row | {"stream": row["stream"] is not None, "source_id": read_order_id(row["source_id"])}
        for row in named
    ]


async def test_more_events_than_a_state_has_are_migrated(url: str) -> None:
    """The newest instants of a contact are those that writes keep."""
    async with serving(url, now=NOW) as server:
        misar, _ = await dialect_clients(server)
        for email in ("ada@example.com", "bob@example.com"):
            await misar.request("POST", "/contacts", {"email": email}, 201)
            for number in range(MAX_RECENT + 3):
                server.now += SECOND
                body = {"email": email, "event_name": f"own {number % 2}" if number < 9 else "own 1"}
                await misar.request("POST", "/track/event", body)
    before = await load_rows(url, TABLES)
    await take_back(url, "r007")
    await migrate.upgrade_schema(url)
    assert await load_rows(url, TABLES) == before
