"""The migrations make the schema that the statements are written for."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from diglot.errors import Misconfigured
from diglot.storage import migrate
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
