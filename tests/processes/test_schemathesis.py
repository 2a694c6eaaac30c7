"""Runs Schemathesis with all its checks against `diglot serve` and the documents that it serves."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from diglot.dialects.registry import DIALECTS, get_dialect
from support.engines import SQLITE, Database
from support.reporting import Telling
from support.schemathesis_run.runs import Budget, run
from support.servers.process import ServerProcess, running

pytestmark = pytest.mark.outside
# PostgreSQL needs a round trip for what SQLite answers in memory.
SHARE_ELSEWHERE = 4
# Share of well-formed requests; many are rejected, because a schema cannot express the rules of a condition.
MAX_REJECTED_SHARE = 0.4
# Share of calls; it is low, because each drawn contact may have left its drawn list already.
MAX_UNMET_SHARE = 0.05


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[ServerProcess]:
    """Lend a server on a separate database; its deliveries stay on this machine."""
    async with database.fresh() as url, running(url, "--webhook-targets", "127.0.0.1") as live:
        yield live


@pytest.mark.parametrize("dialect", [dialect.name for dialect in DIALECTS])
async def test_a_server_conforms_to_its_document(
    database: Database, server: ServerProcess, dialect: str, pytestconfig: pytest.Config, telling: Telling
) -> None:
    """Every response is documented, for any request, single or after another.

    The phases: its examples, the bounds of every schema, random input, and walks that create, read, update
    and delete resources, from one response to the next request.
    """
    budget = Budget(*(pytestconfig.getoption(f"outside_{name}") for name in ("seed", "examples", "walks")))
    told = await run(server, dialect, budget if database is SQLITE else budget.share(SHARE_ELSEWHERE))
    telling(f"Schemathesis on {database.name}, {dialect}", told.summary())
    assert told.code == 0, f"--outside-seed {budget.seed}:\n{told.output}"
    assert told.alive, "the calling key still works"
    calls = {operation.id for _, operation in get_dialect(dialect).operations}
    unmet = calls - set(told.counts["accepted"])
    assert len(unmet) <= MAX_UNMET_SHARE * len(calls), f"calls without a success: {unmet}"
    assert told.counts["walks"], "some walks have requests that succeed"
    refused, positive = told.counts["passed over"].get("RejectedPositiveData", 0), told.answers("positive")
    assert refused < MAX_REJECTED_SHARE * positive, (
        f"{refused} of {positive} are rejected for a rule that no schema states"
    )
