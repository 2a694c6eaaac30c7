"""`diglot migrate --distribute` with a pretended Citus: a place for each table, a line for each fault."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Table, UniqueConstraint, text

from diglot.storage.schema import ephemeral_metadata, metadata, migrate, revisions, workspaces
from diglot.storage.schema.distribution import list_placements
from diglot.storage.schema.revisions import LATEST, REVISIONS
from diglot.storage.sql.citus import tables
from diglot.storage.sql.database import TablePlacement
from diglot.storage.sql.databases import find_database
from support import fake_citus
from support.commands import CommandResult, Run, command_runner
from support.earlier_revisions import take_back
from support.engines import SERVERS, lend_each
from support.marked_rows import insert_marked

COPIED = {"alembic_version", "workspace_profiles", "keys", "sessions", "webhook_sources"}
ELSEWHERE = {"ephemeral.leases": "work"}
APPLIED = "".join(f"Revision {revision} is applied.\n" for revision in REVISIONS)
DONE = f"The database is at revision {LATEST} already.\n"


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command."""
    return command_runner(capsys, monkeypatch)


database = lend_each(SERVERS)


@pytest.fixture
def cluster(empty: str) -> str:
    """Return the URL of a database without tables in a cluster."""
    asyncio.run(fake_citus.install(empty))
    return empty


def distribute(diglot: Run, url: str) -> CommandResult:
    """Run the command."""
    return diglot("migrate", "--distribute", "--database", url)


def refused(line: str, applied: str = "") -> CommandResult:
    """Return the result of a command that changed nothing and says why."""
    return CommandResult(2, "", f"{applied}diglot: {line}\n")


def test_every_table_has_a_place() -> None:
    """The tables of a workspace are by its number, and whatever they refer to comes before them."""
    placements = {placement.name: placement for placement in list_placements()}
    every = (*metadata.sorted_tables, *ephemeral_metadata.sorted_tables)
    assert placements.keys() == {table.fullname for table in every} | {"alembic_version"}
    expected = dict.fromkeys(COPIED) | ELSEWHERE
    assert {name: one.column for name, one in placements.items()} == {
        name: expected.get(name, "workspace") for name in placements
    }
    assert {name for name, one in placements.items() if one.shards == 1} == {"ephemeral.leases"}
    beside = {one.name for one in placements.values() if one.beside == workspaces.name}
    assert beside == placements.keys() - expected.keys() - {workspaces.name}


@pytest.mark.parametrize("placement", list_placements(), ids=lambda placement: placement.name)
def test_keys_suit_the_place(placement: TablePlacement) -> None:
    """A key that is unique has the column of the shards; a copied table refers to copied ones only."""
    table = placement.table
    if not isinstance(table, Table):
        return
    targets = [key.referred_table.name for key in table.foreign_key_constraints]
    if placement.column is None:
        assert COPIED.issuperset(targets)
        return
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    unique_keys = [table.primary_key.columns, *(one.columns for one in unique)]
    unique_keys += [index.columns for index in table.indexes if index.unique]
    assert all(placement.column in key for key in unique_keys)
    for key in table.foreign_key_constraints:
        assert key.column_keys[0] == "workspace" == key.elements[0].column.name


def test_a_fresh_database_is_distributed_once(diglot: Run, cluster: str) -> None:
    """The first run migrates and distributes it; the second finds nothing to do."""
    first = distribute(diglot, cluster)
    assert first.err == APPLIED
    assert (first.code, first.out.splitlines()[0]) == (
        0,
        f"The database is at revision {LATEST} now; it was empty.",
    )
    names = [placement.name for placement in list_placements()]
    told = f"{len(names)} tables are distributed now: {', '.join(names)}."
    assert first.out.splitlines()[1:] == [told]
    placed = asyncio.run(fake_citus.read_placements(cluster))
    assert {name: (one.column, one.shards) for name, one in placed.items()} == {
        placement.name: (placement.column, placement.shards) for placement in list_placements()
    }
    assert len({one.colocation for one in placed.values() if one.column == "workspace"}) == 1
    assert distribute(diglot, cluster) == CommandResult(0, f"{DONE}All tables are distributed already.\n", "")
    assert diglot("migrate", "--database", cluster) == CommandResult(0, DONE, "")


def forget(url: str, *tables: str) -> None:
    """Leave tables on one node, as a revision does that makes them."""
    names = ", ".join(f"'{name}'::regclass" for name in tables)
    asyncio.run(fake_citus.run(url, f"DELETE FROM citus.pg_dist_partition WHERE logicalrelid IN ({names})"))


@pytest.mark.parametrize("options", [(), ("--distribute",)], ids=["migrate", "distribute"])
def test_a_half_distributed_schema_is_completed(diglot: Run, cluster: str, options: tuple[str, ...]) -> None:
    """A run distributes what is missing, with the option or without, also if the other tables have rows."""
    assert distribute(diglot, cluster).code == 0
    asyncio.run(insert_marked(cluster, 1, "acme", 1, "kept"))
    asyncio.run(fake_citus.run(cluster, "DELETE FROM deliveries"))
    forget(cluster, "deliveries", "ephemeral.leases")
    told = "2 tables are distributed now: deliveries, ephemeral.leases.\n"
    assert diglot("migrate", *options, "--database", cluster) == CommandResult(0, f"{DONE}{told}", "")
    placed = asyncio.run(fake_citus.read_placements(cluster))
    assert placed["deliveries"] == placed["webhooks"]
    assert placed["ephemeral.leases"].column == "work"


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("keys", "list")], ids=" ".join)
def test_a_half_distributed_schema_is_not_used(diglot: Run, cluster: str, command: tuple[str, ...]) -> None:
    """What was written to a table on one node could not be distributed later."""
    assert distribute(diglot, cluster).code == 0
    forget(cluster, "deliveries", "ephemeral.leases")
    assert diglot(*command, "--database", cluster) == refused(
        "these tables are not distributed, although others are: deliveries, ephemeral.leases: run "
        "`diglot migrate` with the URL of the coordinator of Citus first"
    )


def test_tables_that_are_all_on_one_node_are_used(diglot: Run, cluster: str) -> None:
    """A database with Citus need not be distributed, also if Citus knows of a table."""
    assert diglot("migrate", "--database", cluster).code == 0
    known = "INSERT INTO citus.pg_dist_partition VALUES ('keys'::regclass, NULL, 's', 0, NULL)"
    asyncio.run(fake_citus.run(cluster, known))
    assert diglot("keys", "list", "--database", cluster) == CommandResult(0, "", "")
    assert diglot("migrate", "--database", cluster) == CommandResult(0, DONE, "")


# The tables that revisions after r003 make.
MADE_LATER = (
    *("attribute_keys", "import_jobs", "import_chunks", "import_rejects"),
    *("event_names", "event_states", "membership_log_counts", "webhook_sources"),
)


def distribute_r003(url: str) -> None:
    """Leave a database that a version with revision r003 distributed."""

    def place(connection: Connection) -> None:
        counts = "ephemeral.rate_counts"
        placements = [
            replace(one, column="key", beside=None) if one.name == counts else one
            for one in list_placements()
            if one.name not in MADE_LATER
        ]
        tables.distribute_tables(connection, placements)

    async def take() -> None:
        await migrate.upgrade_schema(url)
        await take_back(url, "r003")
        async with find_database(url).load_migrator().begin(url) as transaction:
            await transaction.run_sync(place)

    asyncio.run(take())


def test_a_distributed_database_is_upgraded(diglot: Run, cluster: str) -> None:
    """The tables that revisions make, also anew, are distributed in the same run."""
    distribute_r003(cluster)
    made = {*MADE_LATER, "ephemeral.rate_counts"}
    done = diglot("migrate", "--database", cluster)
    assert (done.code, done.err.splitlines()[-1]) == (0, f"Revision {LATEST} is applied.")
    migrated, distributed = done.out.splitlines()
    assert migrated == f"The database is at revision {LATEST} now; it was r003."
    assert distributed.startswith(f"{len(made)} tables are distributed now: ")
    assert {*distributed.partition(": ")[2].rstrip(".").split(", ")} == made
    placed = asyncio.run(fake_citus.read_placements(cluster))
    assert all(placed[name] == placed["workspaces"] for name in made - COPIED)
    assert placed["webhook_sources"] == placed["keys"]


def test_a_node_that_is_away_stops_an_upgrade_only(diglot: Run, cluster: str) -> None:
    """Without anything to do, a script that begins with `diglot migrate` goes on."""
    distribute_r003(cluster)
    leave = "UPDATE citus.pg_dist_node SET answers = {} WHERE nodename = 'db2'"
    asyncio.run(fake_citus.run(cluster, leave.format("false")))
    assert diglot("migrate", "--database", cluster) == refused(
        "these nodes of Citus do not answer: db2:5432: start them, or remove them with citus_remove_node, "
        "and run the command again"
    )
    assert asyncio.run(revisions.read_revision(cluster)) == "r003"
    asyncio.run(fake_citus.run(cluster, leave.format("true")))
    assert diglot("migrate", "--database", cluster).code == 0
    asyncio.run(fake_citus.run(cluster, leave.format("false")))
    assert diglot("migrate", "--database", cluster) == CommandResult(0, DONE, "")


def test_a_migrated_database_without_rows_is_distributed(diglot: Run, cluster: str) -> None:
    """It does not matter which of the two was first."""
    assert diglot("migrate", "--database", cluster).code == 0
    done = distribute(diglot, cluster)
    assert (done.code, done.out.count("\n"), done.err) == (0, 2, "")


def test_rows_are_not_distributed(diglot: Run, cluster: str) -> None:
    """The line names a table with rows, and what to do."""
    assert diglot("migrate", "--database", cluster).code == 0
    assert diglot("keys", "create", "--dialect", "misar", "--workspace", "a", "--database", cluster).code == 0
    assert distribute(diglot, cluster) == refused(
        "table workspace_profiles has rows, and only empty tables are distributed: distribute a new "
        "database, and copy the rows into it with pg_dump --data-only"
    )
    assert asyncio.run(fake_citus.read_placements(cluster)) == {}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("partkey = 'id', repmodel = 's'", "table keys is distributed by id, not a reference table"),
        ("repmodel = 's'", "table keys is a local table of Citus, not a reference table"),
    ],
)
def test_another_distribution_is_left_alone(diglot: Run, cluster: str, change: str, line: str) -> None:
    """Whoever distributed a table otherwise has to decide what becomes of it."""
    assert distribute(diglot, cluster).code == 0
    where = "WHERE logicalrelid = 'keys'::regclass"
    half = "DELETE FROM citus.pg_dist_partition WHERE logicalrelid = 'events'::regclass"
    asyncio.run(fake_citus.run(cluster, f"UPDATE citus.pg_dist_partition SET {change} {where}; {half}"))
    before = asyncio.run(fake_citus.read_placements(cluster))
    hint = "undo that with undistribute_table, or start with a new database"
    assert distribute(diglot, cluster) == refused(f"{line}: {hint}")
    assert asyncio.run(fake_citus.read_placements(cluster)) == before


def test_shards_on_other_nodes_are_left_alone(diglot: Run, cluster: str) -> None:
    """Rows of one workspace in two groups of shards could be on two nodes."""
    assert distribute(diglot, cluster).code == 0
    where = "WHERE logicalrelid = 'events'::regclass"
    apart = f"UPDATE citus.pg_dist_partition SET colocationid = 77 {where}"
    asyncio.run(fake_citus.run(cluster, apart))
    assert distribute(diglot, cluster) == refused(
        "table events has shards apart from those of workspaces: undo that with undistribute_table, or start "
        "with a new database"
    )


def test_a_database_without_citus_is_refused(diglot: Run, empty: str) -> None:
    """Nothing is migrated, because `--distribute` says what the database is for."""
    assert distribute(diglot, empty) == refused(
        "the database has no Citus: install it on every node and run CREATE EXTENSION citus there"
    )
    assert asyncio.run(revisions.read_revision(empty)) is None


@pytest.mark.parametrize(("version", "is_new"), [("12.0.1", False), ("9.5.12", False), ("12.1.10", True)])
def test_an_old_citus_is_refused(diglot: Run, empty: str, version: str, *, is_new: bool) -> None:
    """The line names the version and the oldest one that will do."""
    asyncio.run(fake_citus.install(empty, f"Citus {version} on x86_64-pc-linux-gnu"))
    done = distribute(diglot, empty)
    if is_new:
        assert done.code == 0
        return
    assert done == refused(f"Citus {version} is too old: 12.1 or later is needed")
    assert asyncio.run(revisions.read_revision(empty)) is None


def test_a_worker_is_not_the_place(diglot: Run, empty: str) -> None:
    """Citus distributes tables from its coordinator."""
    asyncio.run(fake_citus.install(empty, is_coordinator=False))
    assert distribute(diglot, empty) == refused(
        "this is a worker node of Citus: give the URL of its coordinator"
    )
    assert asyncio.run(revisions.read_revision(empty)) is None


def test_a_node_that_is_away_is_named(diglot: Run, cluster: str) -> None:
    """A standby and a node that is disabled may be away, because they hold no shards."""
    asyncio.run(
        fake_citus.run(cluster, "UPDATE citus.pg_dist_node SET answers = NULL WHERE nodename = 'db2'")
    )
    assert distribute(diglot, cluster) == refused(
        "these nodes of Citus do not answer: db2:5432: start them, or remove them with citus_remove_node, "
        "and run the command again"
    )
    assert asyncio.run(revisions.read_revision(cluster)) is None


def test_a_node_that_leaves_meanwhile_leaves_nothing_half_done(diglot: Run, cluster: str) -> None:
    """One transaction migrates and distributes, so it does both or neither."""
    fails = """
        CREATE FUNCTION citus.fail() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'connection to the remote node db2:5432 failed'; END $$;
        CREATE TRIGGER fails BEFORE INSERT ON citus.pg_dist_partition FOR EACH ROW
            WHEN (new.partkey = 'work') EXECUTE FUNCTION citus.fail()"""
    asyncio.run(fake_citus.run(cluster, fails))
    assert distribute(diglot, cluster) == refused(
        "the database cannot be distributed: connection to the remote node db2:5432 failed", APPLIED
    )
    assert asyncio.run(revisions.read_revision(cluster)) is None
    assert asyncio.run(fake_citus.read_placements(cluster)) == {}
    asyncio.run(fake_citus.run(cluster, "DROP TRIGGER fails ON citus.pg_dist_partition"))
    assert distribute(diglot, cluster).code == 0


def test_a_file_is_not_distributed(diglot: Run, tmp_path: object) -> None:
    """SQLite is one file on one machine, and the command does not create it."""
    file = f"{tmp_path}/diglot.db"
    assert distribute(diglot, file) == refused(
        "this database is on one machine: only PostgreSQL with Citus is distributed"
    )
    assert asyncio.run(revisions.read_revision(file)) is None


async def test_every_migration_works_on_shards_one_by_one(empty: str) -> None:
    """Citus refuses to change shards in parallel after a read of all of them; PostgreSQL ignores it."""

    def read_mode(connection: Connection) -> object:
        return connection.execute(text("SHOW citus.multi_shard_modify_mode")).scalar_one()

    async with find_database(empty).load_migrator().begin(empty) as transaction:
        assert await transaction.run_sync(read_mode) == "sequential"
    assert await migrate.upgrade_schema(empty) == (None, LATEST)
