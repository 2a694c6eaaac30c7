"""Many random writes, updates, deletions and clock steps: the stored members equal the oracle's.

`--world-writes 1000000` is the whole proof: some twenty minutes for each database.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from diglot.conditions import dates
from diglot.model.contacts import Contact
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import Segments
from diglot.storage.audience import lists
from diglot.storage.connect import create_engine
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Transaction
from diglot.storage.tenant import Tenant
from support import canonical, oracle
from support.engines import Database
from support.membership.membership_checks import ALL_ROWS, compare
from support.membership.random_world import NOW, World
from support.reporting import SEED, Tally

POOL = 3_000
LARGEST = 600
_INSTANTS = ("created_at", "updated_at", "last_opened_at", "last_clicked_at", "last_emailed_at")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class OracleWorld(World):
    """A world that keeps the canonical form of its conditions for the oracle, and counts its writes."""

    written: dict[str, tuple[Any, str]] = field(default_factory=dict)
    writes: int = 0

    async def _segment(self) -> None:
        await super()._segment()
        self.written[self.segments[-1]] = self.drawn, self.zone

    async def step(self) -> None:
        self.writes += 1
        await super().step()

    async def import_many(self) -> None:
        """Import many contacts, new ones and old ones."""
        changes = [self.change() for _ in range(self.rng.randint(1, LARGEST))]
        for change in changes:
            change.values["email"] = f"m{self.rng.randint(0, POOL)}@example.com"
        self.writes += len(changes)
        await self.contacts().import_all(self.caller, changes)

    async def _edit(self) -> None:
        # An update chooses its segment itself, so conditions that it replaced are no longer compared.
        before = dict(self.written)
        self.written.clear()
        await super()._edit()
        for id_, known in before.items():
            if id_ in self.segments and await self._is_as_written(id_, known):
                self.written[id_] = known

    async def _is_as_written(self, id_: str, known: tuple[Any, str]) -> bool:
        result = await Segments(self.engine, self.clock).get(self.caller, id_)
        return result.condition.tree == canonical.read(*known)

    async def compare_history(self, begins: int = 0) -> None:
        """Compare the oldest and the newest snapshot, and replay the feed from the newest on."""
        historian = self.historian()
        for memory in self.snapshots[:1] + self.snapshots[-1:]:
            await historian.compare(memory, begins)
        for memory in self.snapshots[-1:]:
            await historian.replay(memory)

    async def compare_with_oracle(self) -> int:
        """Compare the members of every segment with the oracle; return the number of its evaluations."""
        people = await self.engine.read(self._oracle_subjects)
        result = await compare(self.engine, self.caller.workspace, self.now, self.rng)
        now = _EPOCH + timedelta(microseconds=self.now)
        asked = 0
        for id_, (written, zone) in self.written.items():
            if zone != self.zone or id_ not in result:
                continue
            known = {list_: list_ for list_ in self.lists}
            expected = {
                who
                for who, one in people.items()
                if oracle.matches(written, one, now=now, zone=zone, lists=known)
            }
            if await self._excludes_a_deleted_list(id_, str(written)):
                expected.clear()
            assert set(result[id_]) == expected, written
            asked += len(people)
        return asked

    async def _excludes_a_deleted_list(self, id_: str, written: str) -> bool:
        """Tell whether a segment is invalid; what it refers to is then in its rules, and deleted."""
        deleted = (await Segments(self.engine, self.clock).get(self.caller, id_)).deleted_references
        assert all(each.value in written and each.value not in self.lists for each in deleted)
        return bool(deleted)

    async def _oracle_subjects(self, transaction: Transaction) -> Mapping[str, Mapping[str, Any]]:
        tenant = Tenant(transaction, self.caller.workspace)
        everybody = await queries.load_contact_page(tenant, Window(0, ALL_ROWS.limit))
        on_lists = await lists.load_ids_of_contacts(tenant, [contact.pk for contact in everybody])
        return {contact.id: _described(contact, on_lists.get(contact.pk, [])) for contact in everybody}


def _described(contact: Contact, on_lists: list[str]) -> Mapping[str, Any]:
    """Return a contact in the oracle's format."""
    described = {name: getattr(contact, name) for name in Contact.__struct_fields__}
    for name in _INSTANTS:
        described[name] = None if described[name] is None else dates.format_instant(described[name])
    described["tags"] = msgspec.json.decode(contact.tags)
    described["attributes"] = msgspec.json.decode(contact.attributes)
    return described | {"lists": on_lists}


@pytest_asyncio.fixture
async def judged(url: str, pytestconfig: pytest.Config) -> AsyncIterator[OracleWorld]:
    """Lend a world with two engines on one database."""
    engines = [create_engine(url), create_engine(url)]
    for engine in engines:
        await engine.open()
    workspace = await engines[0].write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    yield OracleWorld(engines, caller, Random(pytestconfig.stash[SEED]))
    for engine in engines:
        await engine.close()


async def test_many_writes(
    judged: OracleWorld, database: Database, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """At any time, stored members = full evaluation = oracle, count = rows, log replayed = members."""
    wanted = pytestconfig.getoption("--world-writes")
    for _ in range(3):
        await judged._list()
    for _ in range(12):
        await judged._segment()
    every = max(wanted // 40, 1_000)
    due, asked = every, 0
    while judged.writes < wanted:
        await judged.import_many()
        for _ in range(judged.rng.randint(0, 25)):
            await judged.step()
        if judged.writes >= due:
            due += every
            await judged.check()
            asked += await judged.compare_with_oracle()
            if judged.rng.random() < 0.05:
                await judged.change_zone()
    await judged.check()
    asked += await judged.compare_with_oracle()
    tally("random writes of a world", database.name, judged.writes)
    tally("memberships compared with the oracle", database.name, asked)
    assert asked > 0
