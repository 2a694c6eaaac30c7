"""The upgrade to r003 splits the rows of workspaces: it loses none, and one that stops changes nothing."""

from collections.abc import Sequence
from typing import Any

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from diglot.errors import Misconfigured
from diglot.storage import workspaces
from diglot.storage.connect import create_engine
from diglot.storage.schema import metadata, migrate, revisions
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.databases import find_database
from support.earlier_revisions import take_back
from support.marked_rows import insert_marked, load_rows

MARKER = "kept"
ROWS = 3
# The tables of later revisions.
LATER = frozenset(
    {
        *("attribute_keys", "import_jobs", "import_chunks", "import_rejects"),
        *("event_names", "event_states", "membership_log_counts", "webhook_sources"),
    }
)


async def _run(url: str, *statements: str) -> list[Sequence[Any]]:
    """Run statements in one transaction, and return the rows of the last one."""

    def execute(connection: Connection) -> list[Sequence[Any]]:
        results = [connection.execute(text(statement)) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []

    async with find_database(url).load_migrator().begin(url) as transaction:
        return await transaction.run_sync(execute)


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def _fill(url: str) -> dict[str, list[Any]]:
    """Insert rows into every table of two workspaces, then go back to r002; return the rows.

    There are no events, because the upgrade to r008 reads their bodies, which the inserted rows do not have.
    What r002 does not have is what the upgrade to a later revision gives it.
    """
    await insert_marked(url, 1, "acme", ROWS, MARKER)
    await insert_marked(url, 2, "other", ROWS, MARKER)
    await _run(
        url,
        *(f"DELETE FROM {table}" for table in ("event_states", "events", "event_names")),
        "UPDATE workspaces SET next_event_name = 1, segments_steps = ''",
        "UPDATE membership_log SET cause_segment = NULL",
        "UPDATE segments SET expanded = NULL",
        f"UPDATE workspaces SET event_days = 0, events_since = {workspaces.SINCE_EVER}",
    )
    rows = await load_rows(url)
    assert all(found for name, found in rows.items() if not name.startswith("event"))
    await take_back(url, "r002")
    return rows | {name: [] for name in LATER}


async def test_every_row_is_kept(url: str) -> None:
    """The upgraded database has the rows and the foreign keys of one that was made at this revision."""
    rows = await _fill(url)
    assert await migrate.upgrade_schema(url) == ("r002", LATEST)
    after = await load_rows(url)
    assert {name: sorted(map(str, found)) for name, found in after.items()} == {
        name: sorted(map(str, found)) for name, found in rows.items()
    }
    async with find_database(url).load_migrator().begin(url) as transaction:
        assert await transaction.run_sync(_differences) == []


async def test_of_a_deleted_workspace_the_number_is_kept(url: str) -> None:
    """Its row goes, its profile stays, and a new workspace gets the next number."""
    await _fill(url)
    await _run(url, f"UPDATE workspaces SET name = '{chr(0x7F)}2', time_zone = '' WHERE workspace = 2")
    for table in reversed(metadata.sorted_tables):
        if table.name not in {"workspaces", "workspace_profiles", *LATER}:
            await _run(url, f"DELETE FROM {table.name} WHERE workspace = 2")
    await migrate.upgrade_schema(url)
    assert await _run(url, "SELECT workspace FROM workspaces") == [(1,)]
    assert await _run(url, "SELECT workspace FROM workspace_profiles ORDER BY workspace") == [(1,), (2,)]
    engine = create_engine(url)
    await engine.open()
    try:
        assert [one.name for one in await engine.read(workspaces.list_all)] == ["acme"]
        created = await engine.write(lambda transaction: workspaces.create(transaction, "new", "UTC", 0))
    finally:
        await engine.close()
    assert created.number == 3


@pytest.mark.parametrize("stopped", ["keys", "sessions", "workspaces"])
async def test_an_upgrade_that_stops_changes_nothing(
    url: str, stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old tables and rows are there, whichever step fails, and another run succeeds."""
    original = op.batch_alter_table

    def stop(table: str, **options: Any) -> Any:
        if table == stopped:
            raise OSError("stopped")
        return original(table, **options)

    rows = await _fill(url)
    before = await _run(url, "SELECT * FROM workspaces ORDER BY workspace")
    with monkeypatch.context() as patched:
        patched.setattr(op, "batch_alter_table", stop)
        with pytest.raises(Misconfigured, match="stopped"):
            await migrate.upgrade_schema(url)
    assert await revisions.read_revision(url) == "r002"
    assert await _run(url, "SELECT * FROM workspaces ORDER BY workspace") == before
    await _run(url, "SELECT name, time_zone, password_hash, created_at FROM workspaces")
    await migrate.upgrade_schema(url)
    assert await load_rows(url) == rows
