"""A client of one dialect reads a segment of the other and writes it back unchanged; nothing changes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from diglot.api.rules.writing import write_condition
from diglot.conditions.fields import CATALOGUE
from diglot.model.ids import parse_id
from diglot.model.segments import Segment
from diglot.storage.audience import segments
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace
from support import canonical, random_conditions
from support.engines import Database
from support.fuzz.requests import expressible
from support.oracle import KINDS
from support.populations import micros
from support.reporting import SEED, Tally
from support.servers.api_clients import DialectClient, dialect_clients
from support.servers.in_process import Server, serving

CONDITIONS = 30
CONTACTS = 40
NOW = micros(random_conditions.NOW)
INSTANTS = [name for name, kind in KINDS.items() if kind == "instant"]
# Comparable as texts with the instants of random contacts, which are in UTC, too.
_AT_NOW = "2026-03-01T12:00:00Z"
OTHER_SPELLINGS = {field.name: field.aliases[0] for field in CATALOGUE if field.aliases}


@dataclass(frozen=True)
class Both:
    """A server, an engine on its database, and a client of each dialect: one writes, the other reads."""

    server: Server
    engine: Engine
    writer: DialectClient
    reader: DialectClient

    async def stored(self, id_: str) -> Segment:
        """Return a segment as stored, with its revision and its source."""
        uuid = parse_id(id_)
        assert uuid is not None
        result = await self.engine.read(bind_workspace(1, lambda tenant: segments.find_by_id(tenant, uuid)))
        assert result is not None
        return result

    async def agree(self, id_: str) -> None:
        """Assert that both dialects list the same members, and that every count is their number."""
        members = await self.writer.members(id_)
        assert await self.reader.members(id_) == members
        assert len(set(members)) == len(members)
        figures = {*await self.writer.counts(id_), *await self.reader.counts(id_)}
        assert figures == {len(members)}


@asynccontextmanager
async def both(database: Database, writer: str) -> AsyncIterator[Both]:
    """Lend a server whose writer uses one dialect and whose reader the other."""
    async with database.fresh() as url, serving(url, now=NOW) as server:
        misar, topmail = await dialect_clients(server)
        engine = create_engine(url)
        await engine.open()
        pair = (misar, topmail) if writer == "misar" else (topmail, misar)
        try:
            yield Both(server, engine, *pair)
        finally:
            await engine.close()


async def fill(clients: Both, rng: Random) -> None:
    """Import random contacts."""
    misar = clients.writer if clients.writer.prefix == "/mail/v1" else clients.reader
    people = [_importable(random_conditions.contact(rng, number)) for number in range(CONTACTS)]
    answer = await misar.request("POST", "/contacts/import", {"contacts": people})
    assert answer["summary"]["imported"] > CONTACTS // 2, answer["errors"][:3]


def _importable(contact: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: part for key, part in contact.items() if key not in ("name", "id", "why", "lists", "updated_at")
    }
    short = {key: part[:50] if isinstance(part, str) else part for key, part in kept.items()}
    # The server refuses what has not happened yet.
    past = {key: min(short[key], _AT_NOW) for key in INSTANTS if key in short}
    return short | past | {"custom_fields": short.pop("attributes")}


def vendor(rng: Random, speaker: DialectClient) -> dict[str, Any]:
    """Return a random condition in a dialect's words, with random spelling and order."""
    node = canonical.read(expressible(random_conditions.condition(rng)), "UTC")
    condition: dict[str, Any] = _respelled(rng, json.loads(write_condition(node, speaker.words)))
    return condition


def _respelled(rng: Random, part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    keys = rng.sample(list(part), len(part))
    created = {key: part[key] for key in keys}
    if "rules" in created:
        return created | {"rules": [_respelled(rng, rule) for rule in part["rules"]]}
    if rng.random() < 0.5:
        created["field"] = OTHER_SPELLINGS.get(part["field"], part["field"])
    if part["operator"] in ("is_set", "is_not_set", "is_empty", "is_not_empty"):
        created["value"] = rng.choice((None, "", "ignored", [1, {"a": 2}]))
    return created


@pytest.mark.parametrize("writer", ["misar", "topmail"])
async def test_reading_and_writing_back_changes_nothing(
    database: Database, writer: str, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """The reader can read, write back, count, edit and delete every segment of the writer."""
    seed = pytestconfig.stash[SEED]
    rng = Random(f"{seed} {writer}")
    async with both(database, writer) as clients:
        await fill(clients, rng)
        for number in range(CONDITIONS):
            condition = vendor(rng, clients.writer)
            print(f"--random-seed {seed}, {number}: {json.dumps(condition)}")
            await _round_trip(clients, f"Segment {number}", condition, rng)
    tally("segments of one dialect written back by the other", database.name, CONDITIONS)


async def _round_trip(clients: Both, name: str, condition: Any, rng: Random) -> None:
    writer, reader = clients.writer, clients.reader
    created = await writer.create(name, condition)
    id_ = created["id"]
    # The stored source keeps the order of its keys, too.
    assert json.dumps(created[writer.member]) == json.dumps(condition)
    clients.server.now += 7_000_000
    before, stored, order = await writer.get(id_), await clients.stored(id_), await writer.order()
    shown = await reader.get(id_)
    assert await reader.patch(id_, name=shown["name"], condition=shown[reader.member]) == shown
    assert await writer.patch(id_, name=before["name"], condition=before[writer.member]) == before
    assert await writer.get(id_) == before
    assert await clients.stored(id_) == stored
    assert await writer.order() == await reader.order() == order
    await clients.agree(id_)
    await _edit(clients, id_, vendor(rng, reader))
    await reader.delete(shown["id"])
    await writer.request("GET", f"/segments/{id_}", status=404)
    assert await writer.order() == order[1:]


async def _edit(clients: Both, id_: str, condition: Any) -> None:
    before = await clients.stored(id_)
    changed = await clients.reader.patch(id_, condition=condition, name="edited")
    after = await clients.stored(id_)
    moved = after.condition.tree != before.condition.tree
    assert after.revision == before.revision + moved
    assert not moved or json.dumps(changed[clients.reader.member]) == json.dumps(condition)
    assert after.updated_at == clients.server.now > before.updated_at
    assert (await clients.writer.get(id_))["name"] == "edited"
    await clients.agree(id_)


@pytest.mark.parametrize("writer", ["misar", "topmail"])
async def test_a_draft_is_a_draft_in_both(database: Database, writer: str) -> None:
    """A segment without rules matches no contact in either dialect, until one of them writes rules."""
    async with both(database, writer) as clients:
        await fill(clients, Random(1))
        id_ = (await clients.writer.create("draft", {}))["id"]
        shown = await clients.reader.get(id_)
        assert shown[clients.reader.member]["rules"] == []
        assert await clients.reader.patch(id_, condition=shown[clients.reader.member]) == shown
        assert (await clients.stored(id_)).last_calculated_at is None
        await clients.agree(id_)
        assert await clients.reader.members(id_) == []
        await clients.reader.patch(id_, condition={"rules": [_rule(clients.reader, "email", "is_set")]})
        await clients.agree(id_)
        assert len(await clients.writer.members(id_)) > CONTACTS // 2


def _rule(speaker: DialectClient, field: str, word: str, **value: Any) -> dict[str, Any]:
    words = {**speaker.words.own_operators, **speaker.words.borrowed_operators}
    return {"field": field, "operator": words[word], **value}
