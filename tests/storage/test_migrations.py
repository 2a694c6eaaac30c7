"""The migrations make the schema that the statements are written for."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, insert

from diglot.conditions import dates, tree
from diglot.errors import Misconfigured
from diglot.model.contacts import Change
from diglot.model.ids import new_id
from diglot.model.pages import Window
from diglot.model.tags import DEFAULT_COLOR
from diglot.model.workspaces import Caller
from diglot.service.contact_changes import new_contact
from diglot.service.contacts import Contacts
from diglot.storage import migrate, tags, workspaces
from diglot.storage.contact_rows import row_of
from diglot.storage.engine import Engine, connect
from diglot.storage.tables import metadata
from support import canonical
from support.engines import SQLITE, Database
from support.membership.random_world import NOW, world_of
from support.reporting import SEED


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_the_migrated_schema_is_the_schema(url: str) -> None:
    """Nothing is left for a further migration to do."""
    connecting = migrate._engine(url)
    async with connecting.connect() as connection:
        assert await connection.run_sync(differences) == []
    await connecting.dispose()


async def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    """The first upgrade goes from nothing to the latest revision; the second stays there."""
    async with database.empty() as url:
        assert await migrate.upgrade(url) == (None, migrate.latest())
        assert await migrate.upgrade(url) == (migrate.latest(), migrate.latest())
        await migrate.require_latest(url)


async def test_tags_of_contacts_get_their_rows(database: Database) -> None:
    """A database of the first revision has tags on contacts only: the upgrade makes and counts them."""
    async with database.empty() as url:
        connecting = migrate._engine(url)
        async with connecting.begin() as connection:
            await connection.run_sync(_first_revision)
        await connecting.dispose()
        assert await migrate.upgrade(url) == ("0001", migrate.latest())
        engine = connect(url)
        await engine.open()
        try:
            assert await _tags(engine, 1) == [
                (1, "vip", DEFAULT_COLOR, None, 1_200),
                (2, "Cafe\u0301", DEFAULT_COLOR, None, 2),
                (3, "new", DEFAULT_COLOR, None, 1),
            ]
            assert await _tags(engine, 2) == [(1, "VIP", DEFAULT_COLOR, None, 1)]
            assert await _tags(engine, 3) == []
            locked = await engine.write(lambda tx: workspaces.lock(tx, 1, tags=1))
            assert locked.tag == 4
            caller = Caller(2, ZoneInfo("UTC"), "", frozenset())
            made = await Contacts(engine).create(caller, Change({"email": "z@example.com", "tags": ["VIP"]}))
            assert made.tags == '["VIP"]'
            assert await _tags(engine, 2) == [(1, "VIP", DEFAULT_COLOR, None, 2)]
        finally:
            await engine.close()


def _upgraded(connection: Connection, revision: str) -> MetaData:
    """Make the tables of a revision, and return them."""
    config = migrate._config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    tables = MetaData()
    tables.reflect(connection)
    return tables


def _first_revision(connection: Connection) -> None:
    tables = _upgraded(connection, "0001")
    for number in (1, 2, 3):
        row = {"workspace": number, "name": f"w{number}", "time_zone": "UTC", "created_at": 0}
        counters = {"next_pk": 2_000, "next_segment": 1, "next_list": 1}
        counts = {"contacts_version": 0, "contact_count": 0}
        connection.execute(insert(tables.tables["workspaces"]), row | counters | counts)
    tagged = [(1, ["vip"])] * 1_199
    tagged += [(1, []), (1, ["Cafe\u0301", "vip"]), (1, ["Caf\u00e9", "new"]), (2, ["VIP"]), (3, [])]
    rows = [_old_row(tables.tables["contacts"], *one, pk) for pk, one in enumerate(tagged, 1)]
    connection.execute(insert(tables.tables["contacts"]), rows)


def _old_row(table: Table, workspace: int, borne: list[str], pk: int, seen: int = 0) -> dict[str, Any]:
    change = Change({"email": f"{pk}@example.com", "tags": borne}, {"seen": dates.written(seen)})
    contact = new_contact(change, pk, 0)
    row = row_of(workspace, contact, ZoneInfo("UTC"))
    return {column.name: row[column.name] for column in table.columns}


async def _tags(engine: Engine, workspace: int) -> list[tuple[Any, ...]]:
    page = await engine.read(lambda tx: tags.page(tx, workspace, Window(0, 10), None))
    return [
        (one.number, one.name, one.color, one.description, one.contact_count) for one in reversed(page.items)
    ]


async def test_memberships_of_before_are_evaluated_in_the_background(
    database: Database, pytestconfig: pytest.Config
) -> None:
    """A database of the third revision kept some of them: time and writes move all of them from now on."""
    async with database.empty() as url:
        connecting = migrate._engine(url)
        async with connecting.begin() as connection:
            await connection.run_sync(_third_revision)
        await connecting.dispose()
        assert await migrate.upgrade(url) == ("0003", migrate.latest())
        engines = [connect(url), connect(url)]
        for engine in engines:
            await engine.open()
        world = world_of(engines, 1, pytestconfig.stash[SEED])
        world.is_whole = False
        page = await Contacts(engines[0]).page(world.caller, Window(0, 100))
        world.ids = [contact.id for contact in page.items]
        await world.check()
        for _ in range(3):
            for _ in range(8):
                await world.step()
            await world.build()
            await world.check()
        await world.build_all()
        for _ in range(4):
            await world.check()
            await world.verify()
            world.now += 2 * dates.DAY
        for engine in engines:
            await engine.close()


def _third_revision(connection: Connection) -> None:
    tables = _upgraded(connection, "0003")
    row = {"workspace": 1, "name": "one", "time_zone": "UTC", "created_at": 0, "webhook_count": 0}
    counters = {
        "pk": 31,
        "segment": 6,
        "list": 1,
        "tag": 1,
        "event": 1,
        "webhook": 1,
        "delivery": 1,
        "entry": 9,
    }
    counts = {"contacts_version": 0, "contact_count": 30, "folded_entry": 8, "segments_version": 1}
    numbers = {f"next_{name}": number for name, number in counters.items()}
    connection.execute(insert(tables.tables["workspaces"]), row | numbers | counts)
    connection.execute(
        insert(tables.tables["contacts"]),
        [
            _old_row(tables.tables["contacts"], 1, [], pk, seen=NOW - pk * dates.DAY // 2)
            for pk in range(1, 31)
        ],
    )
    nothing = canonical.read({"all": []}, "UTC")
    days = [
        canonical.read({"field": name, "operator": "in_last_days", "operand": 7}, "UTC")
        for name in ("attributes.seen", "updated_at", "attributes.seen")
    ]
    kinds = [*(("dynamic", node) for node in (*days, nothing)), ("static", nothing)]
    connection.execute(
        insert(tables.tables["segments"]),
        [_old_segment(number, kind, node) for number, (kind, node) in enumerate(kinds, 1)],
    )
    members = [{"workspace": 1, "segment": 5, "pk": pk} for pk in (2, 3, 30)]
    connection.execute(insert(tables.tables["segment_members"]), members)


def _old_segment(number: int, kind: str, node: tree.Node) -> dict[str, Any]:
    return {
        "workspace": 1,
        "segment": number,
        "id": new_id(),
        "name": "s",
        "name_fold": "s",
        "type": kind,
        "dialect": "canonical",
        "source": "{}",
        "tree": tree.encode(node),
        "members": None,
        "revision": number,
        "last_calculated_at": None if tree.is_draft(node) else 1,
        "created_at": 1,
        "updated_at": 1,
    }


async def test_what_happened_before_is_kept(database: Database) -> None:
    """The log and its sums are whole after they were moved; SQLite has them beside their keys."""
    async with database.empty() as url:
        connecting = migrate._engine(url)
        async with connecting.begin() as connection:
            before = await connection.run_sync(_seventh_revision)
        assert await migrate.upgrade(url) == ("0007", migrate.latest())
        async with connecting.connect() as connection:
            assert await connection.run_sync(_history) == before
            if database is SQLITE:
                made = await connection.exec_driver_sql(
                    "SELECT name FROM sqlite_master WHERE sql LIKE '%ROWID'"
                )
                assert not {"membership_log", "segment_history"} & {row[0] for row in made}
        await connecting.dispose()


def _seventh_revision(connection: Connection) -> list[Any]:
    tables = _upgraded(connection, "0007")
    row = {"workspace": 1, "name": "one", "time_zone": "UTC", "created_at": 0, "contacts_version": 0}
    row |= {"contact_count": 0, "next_pk": 1, "next_segment": 2, "next_list": 1}
    connection.execute(insert(tables.tables["workspaces"]), row)
    nothing = canonical.read({"all": []}, "UTC")
    connection.execute(insert(tables.tables["segments"]), _old_segment(1, "dynamic", nothing))
    log = {"workspace": 1, "happened_at": 7, "cause": "contact created", "whole": 0}
    rows = [log | {"entry": 2 * n + 1, "last": 2 * n + 2, "body": bytes([n]) * 100_000} for n in range(4)]
    connection.execute(insert(tables.tables["membership_log"]), rows)
    sums = {"workspace": 1, "segment": 1, "last": 8, "first": 1, "entered": b"e", "departed": b"d"}
    connection.execute(insert(tables.tables["segment_history"]), [sums, sums | {"last": 9, "passed": b"p"}])
    return _history(connection)


def _history(connection: Connection) -> list[Any]:
    tables = MetaData()
    tables.reflect(connection, only=["membership_log", "segment_history"])
    found: list[Any] = []
    for table in tables.sorted_tables:
        rows = connection.execute(table.select().order_by(*table.primary_key.columns))
        found += [{**row._mapping} for row in rows]
    return found


async def test_an_empty_database_is_refused(database: Database) -> None:
    """A server does not start on a database without tables, and says what to do."""
    async with database.empty() as url:
        with pytest.raises(Misconfigured, match="run `diglot migrate` first"):
            await migrate.require_latest(url)


async def test_a_database_that_is_not_there_is_refused() -> None:
    """A server that cannot be reached is a matter of configuration, not a crash."""
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(Misconfigured):
        await migrate.upgrade(nowhere)
    with pytest.raises(Misconfigured):
        await migrate.require_latest(nowhere)
