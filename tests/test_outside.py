"""Schemathesis, all its checks, against `diglot serve` and the documents that it serves."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from conftest import Telling
from diglot.dialects.registry import DIALECTS, dialect_named
from engines import SQLITE, Database
from live import Live, running
from outside.runs import Run, run

pytestmark = pytest.mark.outside
# PostgreSQL takes a round trip for what SQLite answers at once.
SHARE_ELSEWHERE = 4
# Of well-formed requests; a schema that cannot say the rules of a condition has many refused.
MOST_REFUSED = 0.4


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[Live]:
    """Lend a server on a database of its own; what it delivers stays on this machine."""
    async with database.fresh() as url, running(url, "--webhook-targets", "127.0.0.1") as live:
        yield live


def _judge(told: Run, seed: int) -> None:
    assert told.code == 0, f"--outside-seed {seed}:\n{told.said}"
    assert told.alive, "the key that asks is still good"
    refused, positive = told.counts["passed over"].get("RejectedPositiveData", 0), told.answers("positive")
    assert refused < MOST_REFUSED * positive, f"{refused} of {positive} are refused for a rule of no schema"


@pytest.mark.parametrize("dialect", [one.name for one in DIALECTS])
async def test_calls_one_by_one(
    database: Database, server: Live, dialect: str, pytestconfig: pytest.Config, telling: Telling
) -> None:
    """Examples, the bounds of every schema, and random input: every answer is one that the document has."""
    seed, examples = pytestconfig.getoption("outside_seed"), pytestconfig.getoption("outside_examples")
    number = examples if database is SQLITE else max(1, examples // SHARE_ELSEWHERE)
    told = await run(server, dialect, seed, number, "--phases", "examples,coverage,fuzzing")
    telling(f"Schemathesis on {database.name}, {dialect}, one by one", told.summary())
    _judge(told, seed)
    calls = {operation.id for _, operation in dialect_named(dialect).calls}
    assert set(told.counts["accepted"]) == calls, "every call is answered with success"


@pytest.mark.parametrize("dialect", [one.name for one in DIALECTS])
async def test_calls_one_after_another(
    database: Database, server: Live, dialect: str, pytestconfig: pytest.Config, telling: Telling
) -> None:
    """Made, read, changed, deleted, gone: in any order, from one answer to the next request."""
    seed, seconds = pytestconfig.getoption("outside_seed"), pytestconfig.getoption("outside_seconds")
    limit = seconds if database is SQLITE else max(1, seconds // SHARE_ELSEWHERE)
    told = await run(server, dialect, seed, 100, "--phases", "stateful", "--max-time", str(limit))
    telling(f"Schemathesis on {database.name}, {dialect}, one after another", told.summary())
    _judge(told, seed)
    assert told.counts["walks"], "from answers to requests that were answered with success"
