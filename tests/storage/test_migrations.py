"""The migrations create exactly the schema of the code, in one transaction, once, in a known database."""

import asyncio
import re
import subprocess
import sys
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Executable, event, inspect, select, update

from diglot.background.retention import Retention
from diglot.errors import DatabaseAway, Misconfigured
from diglot.storage.schema import (
    attribute_keys,
    ephemeral_metadata,
    membership_log_counts,
    metadata,
    migrate,
    revisions,
    segments,
    workspace_profiles,
    workspaces,
)
from diglot.storage.schema.revisions import LATEST, REVISIONS
from diglot.storage.sql.backups import sqlite_backup
from diglot.storage.sql.databases import find_database
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.workspaces import SINCE_EVER
from support.earlier_revisions import take_back
from support.engines import DATABASES, ON_SERVERS, PARTITIONED_POSTGRESQL, SQLITE, Database, set_revision
from support.partitioned_tables import partition_number
from support.servers.api_clients import dialect_clients
from support.servers.in_process import bearer, serving

NOW = 1_790_000_000_000_000


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"include_object": is_of_schema})
    return list(compare_metadata(context, metadata))


def is_of_schema(item: Any, name: str | None, kind: str, *_: object) -> bool:
    """Leave out partitions, and the copies of a foreign key that refer to them."""
    if kind == "foreign_key_constraint":
        return partition_number(item.referred_table.name) is None
    return kind != "table" or name is None or partition_number(name) is None


@pytest.mark.parametrize("database", [*DATABASES, PARTITIONED_POSTGRESQL], ids=lambda database: database.name)
async def test_the_migrated_schema_is_the_schema(database: Database) -> None:
    """No further migration has anything to do; one that is partitioned by workspace lacks nothing."""
    async with database.fresh() as url, find_database(url).load_migrator().begin(url) as transaction:
        assert await transaction.run_sync(differences) == []


def ephemeral_tables(connection: Connection) -> dict[str, tuple[list[str], list[str]]]:
    """Return the columns and the key of each ephemeral table."""
    found = inspect(connection)
    return {
        name: (
            [column["name"] for column in found.get_columns(name, "ephemeral")],
            found.get_pk_constraint(name, "ephemeral")["constrained_columns"],
        )
        for name in found.get_table_names("ephemeral")
    }


@pytest.mark.one_in(3)
@pytest.mark.parametrize("revision", [None, *REVISIONS[:-1]])
@ON_SERVERS
async def test_the_ephemeral_tables_are_those_of_the_code(database: Database, revision: str | None) -> None:
    """A server's database has them, whatever revision it was at; SQLite has a file of its own for them."""
    async with database.empty() as url:
        if revision is not None:
            await migrate.upgrade_schema(url)
            await take_back(url, revision)
        await migrate.upgrade_schema(url)
        async with find_database(url).load_migrator().begin(url) as transaction:
            found = await transaction.run_sync(ephemeral_tables)
    assert found == {
        table.name: (table.c.keys(), table.primary_key.columns.keys())
        for table in ephemeral_metadata.sorted_tables
    }


@ON_SERVERS
async def test_later_revisions_set_no_storage(database: Database) -> None:
    """Citus refuses to change how a distributed table stores a column, so only the first revision does."""
    done: list[str] = []
    found: set[int] = set()

    def note(*execution: Any) -> None:
        if re.search(r"\bSET\s+(STORAGE|COMPRESSION)\b", execution[2], re.IGNORECASE):
            found.add(len(done))

    async with database.empty() as url:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            await migrate.upgrade_schema(url, done.append)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert done == list(REVISIONS)
    assert found == {0}, "those of r001, before it is reported"


def test_the_revisions_are_those_of_the_scripts() -> None:
    """A start judges a database by the list alone, so each script has its entry, in order."""
    scripts = ScriptDirectory.from_config(migrate._alembic_config())
    assert scripts.get_heads() == [LATEST]
    assert [script.revision for script in scripts.walk_revisions()] == [*reversed(REVISIONS)]


async def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    """The first upgrade creates the latest revision; the second changes nothing."""
    async with database.empty() as url:
        assert await revisions.read_revision(url) is None
        applied: list[str] = []
        assert await migrate.upgrade_schema(url, applied.append) == (None, LATEST)
        assert await migrate.upgrade_schema(url, applied.append) == (LATEST, LATEST)
        assert applied == list(REVISIONS), "each is reported once"
        await revisions.require_latest(url)


async def test_an_upgrade_waits_for_another(database: Database) -> None:
    """Of several processes that start in parallel one creates the tables, and the others use them."""
    async with database.empty() as url:
        async with find_database(url).load_migrator().begin(url) as transaction:
            assert (
                await transaction.run_sync(partial(migrate._run_upgrade, find_database(url), print)) is None
            )
            other = asyncio.create_task(migrate.upgrade_schema(url))
            await asyncio.sleep(0.2)
            assert not other.done()
        assert await other == (LATEST, LATEST)


async def test_an_upgrade_that_stops_half_way_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run starts with an empty database, because one transaction creates all tables."""

    def stop(*_: object, **__: object) -> None:
        raise OSError("stopped")

    async with database.empty() as url:
        with monkeypatch.context() as patched:
            patched.setattr(op, "create_index", stop)
            with pytest.raises(Misconfigured, match="stopped"):
                await migrate.upgrade_schema(url)
        assert await migrate.upgrade_schema(url) == (None, LATEST)


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("0001", "at revision 0001 of an unreleased Diglot, which no release can upgrade: start with a new"),
        ("0008", "at revision 0008 of an unreleased Diglot"),
        ("0009", "at revision 0009, which Diglot .* does not know: a newer version made it"),
        ("r999", "at revision r999, which Diglot .* does not know: a newer version made it"),
    ],
)
async def test_an_unknown_revision_is_rejected(url: str, revision: str, message: str) -> None:
    """Neither a server nor an upgrade writes to a database that this version cannot read."""
    await set_revision(url, revision)
    for refused in (migrate.upgrade_schema, revisions.require_latest):
        with pytest.raises(Misconfigured, match=message):
            await refused(url)
    assert await revisions.read_revision(url) == revision


async def test_an_older_revision_is_left_to_migrate(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of an earlier release needs `diglot migrate`, and is distinguished from a newer one."""
    monkeypatch.setattr(revisions, "REVISIONS", ("r000", *REVISIONS))
    await set_revision(url, "r000")
    with pytest.raises(Misconfigured, match=f"at revision r000, not {LATEST}: run `diglot migrate` first"):
        await revisions.require_latest(url)


async def test_an_upgrade_counts_what_limits_apply_to(url: str) -> None:
    """A database of r001 gets the counts that its rows have, as if they had been counted all the time."""
    async with serving(url) as server:
        key = bearer(await server.key("topmail", "one"))
        await server.key("topmail", "empty")
        values = [f"{number:04}" for number in range(200)]
        for number in range(3):
            rules: list[Any] = [{"field": "status", "operator": "equals", "value": "bounced"}] * number
            rules += [{"field": "attributes.plan", "operator": "in_list", "value": values}] * (number == 2)
            created: dict[str, Any] = {"name": "a", "conditions": {"match": "all", "rules": rules}}
            answer = await server.client.post("/api/v1/segments", headers=key, json=created)
            assert answer.status_code == 201, answer.text
            listed = {**created, "type": "dynamic"} if number else {"name": "a"}
            answer = await server.client.post("/api/v1/lists", headers=key, json=listed)
            assert answer.status_code == 201, answer.text
    counted = await _counts(url)
    assert [row[:2] for row in counted] == [("empty", 0), ("one", 5)]
    assert counted[1][3] == 3
    await take_back(url, "r001")
    assert await migrate.upgrade_schema(url) == ("r001", LATEST)
    assert await _counts(url) == counted


async def test_an_upgrade_keeps_dates_as_they_were_sent(url: str) -> None:
    """Rules of r001, whose local instants had become those of the zone of that day, are as if stored now."""
    local, mixed = "2026-01-01 10:00", ["2026-01-01", "2026-01-01T10:00:00.5", "2026-01-01T10:00:00Z"]
    rules: list[dict[str, Any]] = [
        {"field": "created_at", "operator": "gte", "value": local},
        {"field": "created_at", "operator": "not_in_list", "value": mixed},
        {"match": "any", "rules": [{"field": "seen", "operator": "before", "value": "2026-01-01T10:00:00"}]},
        {"field": "seen", "operator": "is_set", "value": local},
        {"field": "seen", "operator": "equals", "value": local},
    ]
    async with serving(url) as server:
        key = bearer(await server.key("topmail", "one"))
        created: dict[str, Any] = {"name": "a", "conditions": {"match": "all", "rules": rules}}
        assert (await server.client.post("/api/v1/segments", headers=key, json=created)).status_code == 201
        for number, names in enumerate((["plan", "a.b"], ["Plan", "plan"])):
            contact = {"email": f"{number}@example.com", "attributes": dict.fromkeys(names, 1)}
            answer = await server.client.post("/api/v1/contacts", headers=key, json=contact)
            assert answer.status_code == 201, answer.text
    stored = await _read(url, select(segments.c.tree))
    await take_back(url, "r001")
    ten = 1_767_261_600_000_000
    resolved = stored[0][0]
    for text, instant in (("2026-01-01T10:00:00", ten), ("2026-01-01T10:00:00.500000", ten + 500_000)):
        resolved = resolved.replace(f'"type":"local","value":"{text}"', f'"type":"instant","value":{instant}')
    assert resolved.count('"instant"') == 4
    await _read(url, update(segments).values(tree=resolved).returning(segments.c.segment))
    assert await migrate.upgrade_schema(url) == ("r001", LATEST)
    assert await _read(url, select(segments.c.tree)) == stored
    keys = await _read(url, select(attribute_keys.c.key))
    assert {row[0] for row in keys} == {"plan", "a.b", "Plan"}


async def test_an_upgrade_keeps_all_events(url: str) -> None:
    """A workspace of before r012 has no retention, and its events are found by their ids."""
    async with serving(url, now=NOW) as server:
        misar, _ = await dialect_clients(server)
        await misar.request("POST", "/contacts", {"email": "a@example.com"}, 201)
        body = {"email": "a@example.com", "event_name": "own", "timestamp": "0001-01-01"}
        told = await misar.request("POST", "/track/event", body)
        before = await misar.request("GET", f"/events/{told['event_id']}")
    await take_back(url, "r009")
    assert await migrate.upgrade_schema(url) == ("r009", LATEST)
    assert await _read(url, select(workspaces.c.event_days, workspaces.c.events_since)) == [(0, SINCE_EVER)]
    async with serving(url, now=NOW) as server:
        misar, _ = await dialect_clients(server)
        assert await misar.request("GET", f"/events/{told['event_id']}") == before


async def test_an_upgrade_keeps_sizes_over_time(url: str) -> None:
    """What happened before r009 is counted from the log, and what follows by its new counts."""
    vip = {"match": "all", "rules": [{"field": "tags", "operator": "contains", "value": "vip"}]}
    hour = 3_600_000_000
    async with serving(url, now=500_000 * hour) as server:
        key = bearer(await server.key("topmail", "one"))

        async def call(method: str, path: str, body: Any = None) -> Any:
            answer = await server.client.request(method, f"/api/v1{path}", headers=key, json=body)
            assert answer.is_success, answer.text
            return answer.json()["data"]

        id_ = (await call("POST", "/segments", {"name": "vip", "conditions": vip}))["id"]
        ada = (await call("POST", "/contacts", {"email": "a@example.com", "tags": ["vip"]}))["id"]
        server.now += hour
        await call("PATCH", f"/contacts/{ada}", {"tags": []})
        await Retention(await server.beside.engine(), 90, lambda: server.now).compact(1)
        before = await call("GET", f"/segments/{id_}/sizes?by=hour")
    assert [bucket["size"] for bucket in before["buckets"]] == [1, 0]
    assert len(await _read(url, select(membership_log_counts.c.counts))) == 1
    await take_back(url, "r008")
    assert await migrate.upgrade_schema(url) == ("r008", LATEST)
    assert await _read(url, select(membership_log_counts.c.counts)) == []
    async with serving(url, now=500_001 * hour) as server:
        assert await call("GET", f"/segments/{id_}/sizes?by=hour") == before
        await call("PATCH", f"/contacts/{ada}", {"tags": ["vip"]})
        await Retention(await server.beside.engine(), 90, lambda: server.now).compact(1)
        after = await call("GET", f"/segments/{id_}/sizes?by=hour")
    shown = [tuple(bucket[name] for name in ("size", "entered", "left")) for bucket in after["buckets"]]
    assert shown == [(1, 1, 0), (1, 1, 1)]


async def test_an_upgrade_copies_a_file_first(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has the older revision and all rows; each upgrade makes its own, also one that fails."""

    def stop(*_: object, **__: object) -> None:
        raise OSError("stopped")

    async with database.empty() as url:
        await migrate.upgrade_schema(url)
        async with serving(url) as server:
            await server.key("misar", "copied")
        await take_back(url, "r001")
        with monkeypatch.context() as patched:
            patched.setattr(op, "create_index", stop)
            with pytest.raises(Misconfigured, match="stopped"):
                await migrate.upgrade_schema(url)
        assert await migrate.upgrade_schema(url) == ("r001", LATEST)
        assert await migrate.upgrade_schema(url) == (LATEST, LATEST)
        told = [line for line in caplog.messages if "is copied to" in line]
        if database is not SQLITE:
            assert told == []
            return
        file = parse_sqlite_path(url)
        copies = [f"{file}.before-{LATEST}", f"{file}.before-{LATEST}-2"]
        assert len(told) == len(copies)
        assert sorted(str(path) for path in file.parent.glob("*before*")) == copies
        for copy, line in zip(copies, told, strict=True):
            assert copy in line
            assert await revisions.read_revision(copy) == "r001"
            with closing(sqlite3.connect(copy)) as connection:
                assert connection.execute("SELECT name FROM workspaces").fetchall() == [("copied",)]


async def test_an_upgrade_without_a_copy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the file cannot be copied, for example because the disk is full, nothing is upgraded."""

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with SQLITE.fresh() as url:
        await take_back(url, "r001")
        monkeypatch.setattr(sqlite_backup, "_copy", fail)
        with pytest.raises(Misconfigured, match=r"cannot be copied .* disk is full"):
            await migrate.upgrade_schema(url)
        assert await revisions.read_revision(url) == "r001"
        assert not list(parse_sqlite_path(url).parent.glob("*before*"))


async def _read(url: str, statement: Executable) -> list[Any]:
    async with find_database(url).load_migrator().begin(url) as transaction:
        return await transaction.run_sync(lambda one: [tuple(row) for row in one.execute(statement)])


async def _counts(url: str) -> list[tuple[str, int, int, int]]:
    counts = (workspaces.c[name] for name in ("segment_count", "rule_count", "list_count"))
    statement = select(workspace_profiles.c.name, *counts).join(workspaces).order_by("name")

    def select_counts(connection: Connection) -> list[Any]:
        return [tuple(row) for row in connection.execute(statement)]

    async with find_database(url).load_migrator().begin(url) as transaction:
        return await transaction.run_sync(select_counts)


async def test_an_empty_database_is_rejected(database: Database) -> None:
    """A server does not start on a database without tables, and says what to do."""
    async with database.empty() as url:
        with pytest.raises(Misconfigured, match="has no tables yet: run `diglot migrate` first"):
            await revisions.require_latest(url)
        assert database is not SQLITE or not parse_sqlite_path(url).exists()


async def test_an_unreachable_database_is_rejected() -> None:
    """An unreachable server is a configuration error for a command; a server waits for it."""
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(Misconfigured):
        await migrate.upgrade_schema(nowhere)
    with pytest.raises(DatabaseAway):
        await revisions.require_latest(nowhere)


def test_a_start_does_without_alembic() -> None:
    """A database at the latest revision is recognized without the library, because its import takes 0.2 s."""
    code = "import sys, diglot.app, diglot.cli; print('alembic' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
