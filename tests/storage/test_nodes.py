"""Which node of a distributed database each workspace is on, asked of a pretended Citus."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio

from diglot.storage.background.nodes import Nodes
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from support import fake_citus
from support.engines import DATABASES, SQLITE, Database
from support.statements import recording

# The function names four shards, those of odd numbers on node 1, and refuses a table that is not distributed.
_CATALOGUE = """
CREATE TABLE citus.pg_dist_placement (shardid bigint, groupid int);
INSERT INTO citus.pg_dist_placement SELECT 100 + n, 2 - n % 2 FROM generate_series(0, 3) AS n;
CREATE FUNCTION citus.get_shard_id_for_distribution_column(table_name regclass, value int) RETURNS bigint
    LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM citus.pg_dist_partition WHERE logicalrelid = table_name) THEN
        RAISE EXCEPTION 'relation is not distributed';
    END IF;
    RETURN 100 + value % 4;
END $$;
"""
_DISTRIBUTE = "INSERT INTO citus.pg_dist_partition VALUES ('workspaces', 'workspace', 's', 2, 4)"
SECOND = 1_000_000


@pytest.fixture(params=[one for one in DATABASES if one is not SQLITE], ids=lambda database: database.name)
def database(request: pytest.FixtureRequest) -> Database:
    """Return each server's database in turn."""
    result: Database = request.param
    return result


@pytest_asyncio.fixture
async def cluster(database: Database) -> AsyncIterator[str]:
    """Lend the URL of a migrated database with Citus, whose tables are not distributed."""
    async with database.fresh() as url:
        await fake_citus.install(url)
        await fake_citus.run(url, _CATALOGUE)
        yield url


@pytest_asyncio.fixture
async def engine(cluster: str) -> AsyncIterator[Engine]:
    """Lend an engine on it."""
    engine = create_engine(cluster)
    await engine.open()
    yield engine
    await engine.close()


class Watched:
    """The nodes of an engine, with a clock that tests move."""

    def __init__(self, engine: Engine) -> None:
        self.now = 1_000 * SECOND
        self.nodes = Nodes(engine, lambda: self.now)

    @contextmanager
    def asking(self, statements: int) -> Iterator[None]:
        """Check how many statements the block issues."""
        with recording() as issued:
            yield
        assert len(issued) == statements


async def test_workspaces_are_divided_by_their_nodes(cluster: str, engine: Engine) -> None:
    """The catalogue is asked once for all, again for new workspaces, and each minute for those that moved."""
    await fake_citus.run(cluster, _DISTRIBUTE)
    watched = Watched(engine)
    assert await watched.nodes.divide([]) == {}
    with watched.asking(2):
        assert await watched.nodes.divide([5, 1, 2, 4]) == {1: [5, 1], 2: [2, 4]}
    with watched.asking(0):
        assert [await watched.nodes.find(number) for number in (1, 2)] == [1, 2]
    assert (watched.nodes.find_another(1, 1), watched.nodes.find_another(2, 4)) == (5, 2)
    with watched.asking(2):
        assert await watched.nodes.divide([3, 4]) == {1: [3], 2: [4]}
    await fake_citus.run(cluster, "UPDATE citus.pg_dist_placement SET groupid = 7 WHERE shardid = 101")
    assert await watched.nodes.divide([1, 3]) == {1: [1, 3]}
    watched.now += 61 * SECOND
    assert await watched.nodes.divide([1, 3]) == {7: [1], 1: [3]}
    assert watched.nodes.recall(5) == 7
    assert watched.nodes.recall(9) is None


async def test_a_database_that_is_not_distributed_is_one_group(engine: Engine) -> None:
    """It is asked once in a minute, not for each workspace."""
    watched = Watched(engine)
    assert await watched.nodes.divide([3, 1, 2]) == {None: [3, 1, 2]}
    with watched.asking(0):
        assert await watched.nodes.find(4) is None
    assert watched.nodes.find_another(1, 4) == 4


async def test_a_database_without_citus_is_one_group(database: Database) -> None:
    """No statement names a table of Citus there."""
    async with database.fresh() as url:
        engine = create_engine(url)
        await engine.open()
        assert await Nodes(engine, lambda: 0).divide([2, 1]) == {None: [2, 1]}
        await engine.close()
