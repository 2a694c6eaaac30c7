"""The migrations make the schema that the statements are written for."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, insert

from diglot.errors import Misconfigured
from diglot.model.contacts import Change
from diglot.model.pages import Window
from diglot.model.tags import DEFAULT_COLOR
from diglot.model.workspaces import Caller
from diglot.service.contact_changes import new_contact
from diglot.service.contacts import Contacts
from diglot.storage import migrate, tags, workspaces
from diglot.storage.contact_rows import row_of
from diglot.storage.engine import Engine, connect
from diglot.storage.tables import metadata
from engines import Database


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


def _first_revision(connection: Connection) -> None:
    config = migrate._config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    tables = MetaData()
    tables.reflect(connection)
    for number in (1, 2, 3):
        row = {"workspace": number, "name": f"w{number}", "time_zone": "UTC", "created_at": 0}
        counters = {"next_pk": 2_000, "next_segment": 1, "next_list": 1}
        counts = {"contacts_version": 0, "contact_count": 0}
        connection.execute(insert(tables.tables["workspaces"]), row | counters | counts)
    tagged = [(1, ["vip"])] * 1_199
    tagged += [(1, []), (1, ["Cafe\u0301", "vip"]), (1, ["Caf\u00e9", "new"]), (2, ["VIP"]), (3, [])]
    rows = [_old_row(tables.tables["contacts"], *one, pk) for pk, one in enumerate(tagged, 1)]
    connection.execute(insert(tables.tables["contacts"]), rows)


def _old_row(table: Table, workspace: int, borne: list[str], pk: int) -> dict[str, Any]:
    contact = new_contact(Change({"email": f"{pk}@example.com", "tags": borne}), pk, 0)
    row = row_of(workspace, contact, ZoneInfo("UTC"))
    return {column.name: row[column.name] for column in table.columns}


async def _tags(engine: Engine, workspace: int) -> list[tuple[Any, ...]]:
    page = await engine.read(lambda tx: tags.page(tx, workspace, Window(0, 10), None))
    return [
        (one.number, one.name, one.color, one.description, one.contact_count) for one in reversed(page.items)
    ]


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
