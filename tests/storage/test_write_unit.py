"""A write unit hands out keys in memory, and its row tells exactly what was committed."""

import asyncio
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import Connection, bindparam, select, text

from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.contacts.contacts import Contacts
from diglot.storage import workspaces
from diglot.storage.schema import workspaces as workspaces_table
from diglot.storage.sql.databases import find_database
from diglot.storage.sql.engine import Engine, NestedEngine, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import Reservation, WriteUnit, open_unit
from support.statements import recording

NOW = 1_772_366_400_000_000


_w = workspaces_table.c
_LOG_COLUMNS = Statement(
    select(_w.next_entry, _w.uncompacted_changes, _w.next_change_at, _w.list_count).where(
        _w.workspace == bindparam("workspace")
    )
)


class UndoneError(Exception):
    """What a unit raises to be rolled back."""


def now() -> int:
    return NOW


@pytest_asyncio.fixture
async def workspace(engine: Engine) -> int:
    """Lend a workspace."""
    made = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    return made.number


async def _take(engine: Engine, workspace: int, number: int, *, undone: bool = False) -> int:
    async def work(transaction: Transaction) -> int:
        async with open_unit(Tenant(transaction, workspace), now) as unit:
            first = unit.take_keys("tag", number)
            if undone:
                raise UndoneError
            return first

    return await engine.write(work)


async def test_units_that_share_a_commit(engine: Engine, workspace: int) -> None:
    """What a unit took that was undone is taken by the next one; no key is given twice."""
    undone = [number % 3 == 0 for number in range(30)]
    found = await asyncio.gather(
        *(_take(engine, workspace, 2, undone=one) for one in undone), return_exceptions=True
    )
    taken = sorted(one for one in found if isinstance(one, int))
    assert taken == list(range(1, 41, 2))
    assert [isinstance(one, UndoneError) for one in found] == undone
    assert await _take(engine, workspace, 1) == 41


async def test_unit_without_changes_stores_nothing(engine: Engine, workspace: int) -> None:
    async def work(transaction: Transaction) -> None:
        async with open_unit(Tenant(transaction, workspace), now):
            pass

    with recording() as statements:
        await engine.write(work)
    assert len(statements) == 1


async def test_the_update_names_what_usually_changes(engine: Engine, workspace: int) -> None:
    """A unit that only appends to the log updates few columns; any other stores the whole row."""

    async def work(transaction: Transaction, number: int) -> None:
        async with open_unit(Tenant(transaction, workspace), now) as unit:
            unit.take_keys("entry", number)
            unit.lower_next_change(number)
            unit.row.uncompacted_changes += number
            unit.row.list_count += number > 1

    for number, counted in ((1, 0), (2, 1)):
        with recording() as statements:
            await engine.write(lambda transaction, number=number: work(transaction, number))  # type: ignore[misc]
        *_, last = [text for text in statements if text.startswith("UPDATE")]
        assert ("list_count" in last) == (number > 1)
        row = await engine.read(lambda transaction: _read_row(transaction, workspace))
        assert row == (1 + number * (number + 1) // 2, number * (number + 1) // 2, 1, counted)


async def _read_row(transaction: Transaction, workspace: int) -> tuple[int, ...]:
    row = await transaction.fetch_one(_LOG_COLUMNS, {"workspace": workspace})
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize("used", [True, False])
async def test_reservation_that_is_not_used_is_given_back(
    engine: Engine, workspace: int, *, used: bool
) -> None:
    async def work(transaction: Transaction) -> int:
        async with open_unit(Tenant(transaction, workspace), now, Reservation(contacts=1, events=1)) as unit:
            if used:
                unit.count_contacts(1)
                return unit.take_keys("pk") + unit.take_keys("event")
            return 0

    with recording() as statements:
        assert await engine.write(work) == (2 if used else 0)
    assert len(statements) == (1 if used else 2)
    state = await engine.read(bind_workspace(workspace, workspaces.load_state))
    assert state.contact_count == int(used)
    assert await engine.write(lambda tx: _next_keys(tx, workspace)) == ((2, 2) if used else (1, 1))


async def _next_keys(transaction: Transaction, workspace: int) -> tuple[int, int]:
    async with open_unit(Tenant(transaction, workspace), now) as unit:
        return unit.row.next_pk, unit.row.next_event


async def test_unit_within_a_unit(engine: Engine, workspace: int) -> None:
    """It goes on with the keys of the outer one, and a read between them sees what both did."""
    caller = Caller(workspace, ZoneInfo("UTC"), "key", frozenset())

    async def work(transaction: Transaction) -> tuple[int, int, int]:
        contacts = Contacts(NestedEngine(transaction), now)
        async with open_unit(Tenant(transaction, workspace), now) as unit:
            before = unit.row.next_pk
            made = await contacts.create(caller, ContactChange({"email": "ada@example.com"}))
            page = await contacts.list_page(caller, Window(0, 10))
            stored = await transaction.fetch_one(workspaces._STATE, {"workspace": workspace})
            assert stored is not None
            assert unit.state == workspaces.WorkspaceState.from_row(stored)
            second = await contacts.create(caller, ContactChange({"email": "bob@example.com"}))
            assert page.total == 1
            return before, made.pk, second.pk

    assert await engine.write(work) == (1, 1, 2)
    page = await Contacts(engine, now).list_page(caller, Window(0, 10))
    assert (page.total, [one.pk for one in page.items]) == (2, [2, 1])


async def test_the_unit_ends_with_its_block(engine: Engine, workspace: int) -> None:
    """Another unit of the same transaction reads what the first one stored."""

    async def work(transaction: Transaction) -> list[WriteUnit]:
        units = []
        for _ in range(2):
            async with open_unit(Tenant(transaction, workspace), now) as unit:
                unit.take_keys("segment")
                units.append(unit)
            assert not transaction.open_units
        return units

    first, second = await engine.write(work)
    assert first is not second
    assert (first.row.next_segment, second.row.next_segment) == (2, 3)


async def test_a_unit_that_waited_has_the_new_time_zone(engine: Engine, workspace: int, url: str) -> None:
    """Another process changed it while the unit waited for the lock."""

    async def zone(transaction: Transaction) -> str:
        async with open_unit(Tenant(transaction, workspace), now) as unit:
            return unit.zone.key

    def change(connection: Connection) -> None:
        for table in ("workspaces", "workspace_profiles"):
            connection.execute(text(f"UPDATE {table} SET time_zone = 'Asia/Tokyo'"))

    async with find_database(url).load_migrator().begin(url) as other:
        await other.run_sync(change)
        waiting = asyncio.create_task(engine.write(zone))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert await waiting == "Asia/Tokyo"
