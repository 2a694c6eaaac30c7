"""Every statement of a request touches the rows of one workspace, so that it goes to one shard of many.

The tables are partitioned by workspace here, as a distributed database has them on shards. The stories, the
rows of the spec and random writes run on them, and PostgreSQL plans each distinct statement again, to show
which partitions it touches.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import Integer, bindparam, delete, func, insert, select, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import tree
from diglot.service.audience.dry_run import DryRuns
from diglot.storage.background import due_work, metrics
from diglot.storage.bulk import BulkStatement
from diglot.storage.schema import (
    contacts,
    field_instants,
    keys,
    leases,
    list_members,
    lists,
    rate_counts,
    tags,
    workspaces,
)
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sweeps import SweepStatement
from diglot.storage.webhooks import webhooks
from support import canonical, truth_sample
from support.engines import PARTITIONED_POSTGRESQL, Database, lend_each
from support.membership.random_world import open_world
from support.membership.segment_world import SegmentWorld
from support.openapi.exchanges import Story, load_stories
from support.openapi.http_examples import run_story_alone
from support.partition_plans import count_with_any_values
from support.partitioned_tables import PARTITION_COUNT
from support.populations import Crowd, micros
from support.reporting import SEED, Telling
from support.routes import Routes, describe, has_plan, iterate_bulk_statements, iterate_statements

# The statements that may touch the rows of every workspace, and why. No request of a client issues one.
SWEEPS: Final = {
    "background.due_work._DUE_WORKSPACES": "the clocks of all workspaces, every few seconds",
    "background.due_work._PENDING_SEGMENTS": "first evaluations",
    "background.due_work._DYNAMIC_SEGMENTS": "a command of the operator checks them",
    "background.due_work._UNVERIFIED_SEGMENTS": "each minute, to verify them",
    "background.due_work._LONG_LOGS": "each minute, to compact them",
    "background.metrics._METRICS": "sums over all workspaces for /metrics",
    "imports.jobs._DUE": "the uploaded files that wait for their import",
    "webhooks.webhooks._WAITING": "the outbox of all workspaces",
}
WORLD_STEPS: Final = 150
TITLE: Final = "Partitions that statements touch"
STORIES: Final = load_stories()
# One loop for all, because the connections of an engine belong to the loop that opened them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


database = lend_each([PARTITIONED_POSTGRESQL])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connection(database: Database) -> AsyncIterator[Any]:
    """Lend a connection to a partitioned database without rows, which do not change what is planned."""
    async with database.fresh() as url:
        # A condition that no row can meet, such as an empty range, would be planned without any partition.
        lent: Any = await asyncpg.connect(url, server_settings={"constraint_exclusion": "off"})
        yield lent
        await lent.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def routes(connection: Any, telling: Telling) -> AsyncIterator[Routes]:
    """Lend what checks the statements of all tests, and tell at the end how many partitions they touch."""
    lent = Routes(connection, {sql.text for name, sql in iterate_statements() if name in SWEEPS})
    yield lent
    told = f"{len(lent.counts):,} distinct statements of the tests: {describe(lent.counts.values())}"
    telling(TITLE, told)


async def test_every_fixed_statement(connection: Any, telling: Telling) -> None:
    """Of all that modules of the storage hold, only the sweeps touch more than one partition, and all do."""
    found: dict[str, list[int]] = {}
    texts: dict[str, int] = {}
    for name, sql in iterate_statements():
        if has_plan(sql.text):
            texts[sql.text] = await count_with_any_values(connection, sql)
            found.setdefault(name, []).append(texts[sql.text])
    assert {name for name, counts in found.items() if max(counts) > 1} == set(SWEEPS)
    telling(TITLE, f"{len(texts)} fixed statements of the source: {describe(texts.values())}")


async def test_listed_workspaces_are_asked_alone(connection: Any) -> None:
    """If a node is away, a sweep is repeated for lists of workspaces, which must not ask for any other."""
    counts = {
        name: await count_with_any_values(connection, sweep._of_listed.sql_for(POSTGRESQL))
        for module in (due_work, webhooks)
        for name, sweep in vars(module).items()
        if isinstance(sweep, SweepStatement)
    }
    assert len(counts) == 5
    counts["metrics"] = await count_with_any_values(
        connection, metrics._METRICS_OF_LISTED.sql_for(POSTGRESQL)
    )
    assert set(counts.values()) == {1}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell all stories with `--full`, otherwise every third."""
    if "story" in metafunc.fixturenames:
        told = STORIES if metafunc.config.getoption("full") else STORIES[::3]
        metafunc.parametrize("story", told, ids=[story.file for story in told])


async def test_a_story(database: Database, routes: Routes, story: Story) -> None:
    """The stories of the spec get the same answers."""
    async with database.fresh() as url, routes.checking():
        results = await run_story_alone(story, url)
    assert [item.fault for item in results if item.fault] == []


async def test_the_truth(crowds: Mapping[str, Crowd], routes: Routes, pytestconfig: pytest.Config) -> None:
    """The rows of the spec, with `--full` all, have their members, and a dry run counts them."""
    wrong = []
    rows = truth_sample.sample(pytestconfig.getoption("truth_share"), pytestconfig.stash[SEED])
    async with routes.checking():
        for row in sorted(rows, key=lambda row: row.now):
            crowd, now = crowds[row.zone], micros(row.now)
            node = canonical.read(row.condition, row.zone)
            members, counted = await crowd.members(node, row.now), await dry_run_count(crowd, node, now)
            if (members, counted) != (row.members, len(row.members)):
                wrong.append(f"{row.file}: {row.name}")
    assert wrong == []


async def dry_run_count(crowd: Crowd, node: tree.Node, now: int) -> int:
    """Return the number of members that a dry run of a condition counts."""
    return (await DryRuns(crowd.engine, lambda: now).run(crowd.caller, node, None)).members.count


async def test_random_writes(database: Database, routes: Routes, pytestconfig: pytest.Config) -> None:
    """Memberships are right with many segments, while time passes and a log is compacted."""
    async with (
        database.fresh() as url,
        open_world(url, pytestconfig.stash[SEED]) as world,
        routes.checking(),
    ):
        for step in range(WORLD_STEPS):
            await world.step()
            if step % (WORLD_STEPS // 5) == 0:
                await world.build_all()
                await world.compact()
        await world.change_zone()
        await world.build_all()
        await world.verify()
        await world.check()


async def test_random_references(database: Database, routes: Routes, pytestconfig: pytest.Config) -> None:
    """Segments that reference each other have the oracle's members there, too."""
    async with (
        database.fresh() as url,
        open_world(url, pytestconfig.stash[SEED]) as world,
        routes.checking(),
    ):
        references = SegmentWorld(world)
        begin, steps = [references.contact] * 6 + [references.segment] * 6, list(references.steps())
        for step in [*begin, *world.rng.choices(steps, k=WORLD_STEPS // 3)]:
            await step()
        await references.check()
        await world.verify()


def wrong_statements() -> Iterator[tuple[str, ClauseElement, int]]:
    """Yield statements with what they forget, and the number of partitions that they touch."""
    bound, c = bindparam("in_workspace", type_=Integer()), contacts.c
    yield "right", select(c.id).where(c.workspace == bound, c.pk == 1), 1
    yield "no partition", select(keys.c.id).where(keys.c.workspace == bound), 0
    yield "one row", insert(tags), 1
    names = [*rate_counts.c.keys()]
    two: list[dict[str, Any]] = [{name: bindparam(f"{name}_{of}") for name in names} for of in (1, 2)]
    yield "two workspaces", insert(rate_counts).values(two), PARTITION_COUNT
    two = [row | {"workspace": bindparam("workspace")} for row in two]
    yield "two rows of one", insert(rate_counts).values(two), 1
    yield "two rows of none", insert(keys).values([{"id": "a"}, {"id": "b"}]), 0
    yield "all leases", select(leases), 1
    yield "no workspace", select(c.id).where(c.pk == 1), PARTITION_COUNT
    yield "an empty range", select(c.id).where(c.pk > 1, c.pk < 1), PARTITION_COUNT
    yield "update without it", update(contacts).where(c.pk == 1).values(status="x"), PARTITION_COUNT
    yield "delete without it", delete(contacts).where(c.pk == 1), PARTITION_COUNT
    yield "the row of all", select(func.max(workspaces.c.workspace)), PARTITION_COUNT
    others = select(func.count()).select_from(list_members)
    shown = select(lists).where(lists.c.workspace == bound).limit(1).subquery()
    correlated = others.where(list_members.c.workspace == shown.c.workspace).scalar_subquery()
    yield "correlated", select(shown.c.id, correlated), PARTITION_COUNT
    assert POSTGRESQL.rows_from_arrays is not None
    sent = POSTGRESQL.rows_from_arrays([*field_instants.c])
    names = field_instants.c.keys()
    inserted = insert(field_instants).from_select(names, select(*sent.c))
    yield "inserted from arrays", inserted, PARTITION_COUNT
    removed = delete(contacts).where(c.workspace == bound)
    yield "two writes in one", removed.add_cte(insert(tags).cte("w")), 1
    yield "another in one", removed.add_cte(inserted.cte("w")), PARTITION_COUNT
    same = field_instants.c.workspace == sent.c.workspace
    yield "deleted by arrays", delete(field_instants).where(same), PARTITION_COUNT


@pytest.mark.parametrize(
    ("statement", "count"),
    [pytest.param(statement, count, id=name) for name, statement, count in wrong_statements()],
)
async def test_a_forgotten_workspace_is_seen(connection: Any, statement: ClauseElement, count: int) -> None:
    """The check would be worth nothing if it did not see these."""
    assert await count_with_any_values(connection, POSTGRESQL.compile(statement)) == count


@pytest.mark.parametrize(
    "statement", [pytest.param(statement, id=name) for name, statement in iterate_bulk_statements()]
)
async def test_shared_values_keep_rows_together(connection: Any, statement: BulkStatement) -> None:
    """Many rows that share values are written in one partition, whatever they share."""
    columns = list(statement._columns)
    for shared in (columns[1:], columns[1::2], columns[:1] if columns[1:] else []):
        form, _ = statement._at_once.find(POSTGRESQL, frozenset(shared))
        assert await count_with_any_values(connection, form.sql_for(POSTGRESQL)) == 1


async def test_a_wide_statement_fails(connection: Any) -> None:
    """It fails with its text, unless it is a sweep."""
    sql = POSTGRESQL.compile(select(func.max(workspaces.c.workspace)))
    with pytest.raises(AssertionError, match=r"(?s)more than one partition.*FROM workspaces"):
        await Routes(connection, sweeps=()).check({sql.text: []})
    await Routes(connection, sweeps=(sql.text,)).check({sql.text: []})
