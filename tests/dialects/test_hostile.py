"""Tens of thousands of invalid requests get the dialect's own error: no 500, no hang, nothing written."""

from collections.abc import Iterator
from random import Random

import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from support import edge_values
from support.engines import SQLITE, Database
from support.fuzz.requests import Maker
from support.fuzz.targets import target
from support.reporting import SEED, Tally
from support.servers.asgi import Request

# PostgreSQL needs a round trip for what SQLite answers in memory.
SHARE_ELSEWHERE = 10
# A fresh database after this number of requests keeps the comparison of all its rows cheap.
BATCH = 1_000
MAX_SHOWN = 5
# About two thirds are rejected on average; a batch of a hundred on PostgreSQL sometimes falls below half.
REJECTED_ONE_IN = 4


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Split the requests into batches, each with a database of its own."""
    if "batch" in metafunc.fixturenames:
        number: int = metafunc.config.getoption("hostile")
        metafunc.parametrize("batch", range(-(-number // BATCH)))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_hostile_requests(
    database: Database, dialect: Dialect, batch: int, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """Every response is one that the dialect documents, and a rejected request writes nothing."""
    number = min(BATCH, pytestconfig.getoption("hostile") - batch * BATCH)
    number //= 1 if database is SQLITE else SHARE_ELSEWHERE
    seed = pytestconfig.stash[SEED]
    async with target(database, dialect) as fuzz_target:
        maker = Maker(dialect, Random(f"{seed} {batch}"), fuzz_target.known)
        for _ in range(number):
            await fuzz_target.send(maker.next().request())
    tally(f"hostile requests to {dialect.name}", database.name, number)
    tally(f"hostile requests to {dialect.name}, rejected", database.name, fuzz_target.refused)
    tally(f"hostile requests to {dialect.name}, responses 500", database.name, fuzz_target.crashes)
    assert not fuzz_target.faults, f"--random-seed {seed}:\n" + "\n".join(fuzz_target.faults[:MAX_SHOWN])
    assert fuzz_target.refused > number // REJECTED_ONE_IN, (
        "at least a quarter of the broken requests is rejected"
    )


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_bodies_beyond_the_largest_limit(database: Database, dialect: Dialect, tally: Tally) -> None:
    """A body beyond the limit of an import, in one piece or in many, is too large for every call."""
    async with target(database, dialect) as fuzz_target:
        maker = Maker(dialect, Random(0), fuzz_target.known)
        requests = [request for request in _too_large(maker) for _ in range(2)]
        for request in requests:
            assert (await fuzz_target.send(request)).status == 413
    tally(f"hostile requests to {dialect.name}", database.name, len(requests))
    assert not fuzz_target.faults, "\n".join(fuzz_target.faults)


def _too_large(maker: Maker) -> Iterator[Request]:
    for surface, operation in maker.dialect.operations:
        if operation.body is None or operation.method == "PATCH" or operation.is_signed:
            continue
        draft = maker.valid(surface, operation)
        draft.piece = edge_values.MEGABYTE
        size = operation.max_bytes
        draft.content = lambda body, size=size: body + b" " * (size + 1 - len(body))  # type: ignore[misc]
        yield draft.request()
        if operation.id == "importContacts":
            draft.content = bytes
            draft.body = {"contacts": [{"email": f"a{n}@example.com"} for n in range(10_001)]}
            yield draft.request()
