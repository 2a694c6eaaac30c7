"""Random conditions on random contacts: every database agrees with the oracle."""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from random import Random
from typing import Any

import pytest

from diglot.conditions import tree
from diglot.storage.sql.engine import Engine
from support import canonical, oracle, random_conditions, spec_data
from support.engines import DATABASES, Database
from support.populations import Crowd, load
from support.reporting import SEED, Tally

# Each batch has its own contacts and time zone: two zones skip a midnight, one skips a day.
BATCH = 100
ZONES = ("UTC", "Africa/Cairo", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia")
MAX_SHOWN = 5
LISTS = spec_data.population().lists


@dataclass(frozen=True)
class Case:
    """A condition in both of its forms."""

    condition: Mapping[str, Any]
    node: tree.Node


@dataclass(frozen=True)
class Batch:
    """Conditions, their contacts, and the oracle's matches for each condition."""

    zone: str
    people: Mapping[str, Mapping[str, Any]]
    cases: tuple[Case, ...]
    members: tuple[frozenset[str], ...]


@lru_cache(maxsize=1)
def batch_of(seed: int, number: int, contacts: int, size: int) -> Batch:
    """Create a batch that depends only on its number, because several processes share a run's batches."""
    rng = Random(f"{seed} {number}")
    zone = rng.choice(ZONES)
    people = {f"p{n}": random_conditions.contact(rng, n) for n in range(contacts)}
    subjects = {name: oracle.Subject(one, zone, LISTS) for name, one in people.items()}
    cases = tuple(islice(_distinct(rng, zone), size))
    members = tuple(_members(case, subjects, zone) for case in cases)
    return Batch(zone, people, cases, members)


def _distinct(rng: Random, zone: str) -> Iterator[Case]:
    """Yield conditions without duplicates, compared by their checked trees."""
    seen: set[str | bytes] = set()
    while True:
        condition = random_conditions.condition(rng, tuple(LISTS.values()))
        node = canonical.read(condition, zone)
        encoded = tree.encode(node)
        if encoded not in seen:
            seen.add(encoded)
            yield Case(condition, node)


def _members(case: Case, subjects: Mapping[str, oracle.Subject], zone: str) -> frozenset[str]:
    match = partial(oracle.matches, case.condition, now=random_conditions.NOW, zone=zone, lists=LISTS)
    return frozenset(name for name, subject in subjects.items() if match(subject))


def _sizes(trees: int) -> list[int]:
    return [min(BATCH, trees - first) for first in range(0, trees, BATCH)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test every database with a batch before the next batch is created."""
    if "number" in metafunc.fixturenames:
        numbers = range(len(_sizes(metafunc.config.getoption("random_trees"))))
        pairs = [(database, number) for number in numbers for database in DATABASES]
        ids = [f"{database.name}-{number}" for database, number in pairs]
        metafunc.parametrize(("database", "number"), pairs, ids=ids, indirect=["database"])


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Database:
    """Return the database that evaluates the batch."""
    result: Database = request.param
    return result


@pytest.fixture
def batch(number: int, pytestconfig: pytest.Config) -> Batch:
    """Return a batch of this run."""
    size = _sizes(pytestconfig.getoption("random_trees"))[number]
    return batch_of(pytestconfig.stash[SEED], number, pytestconfig.getoption("random_contacts"), size)


async def test_random_conditions_agree(
    database: Database, batch: Batch, engine: Engine, tally: Tally, pytestconfig: pytest.Config
) -> None:
    """A database finds the oracle's matches, and the negation finds all other contacts."""
    crowd = await load(engine, batch.people, LISTS, batch.zone, random_conditions.NOW)
    cases = zip(batch.cases, batch.members, strict=True)
    wrong = [line for case, expected in cases for line in await _differences(crowd, case, expected)]
    tally("random pairs of condition and contact", database.name, len(batch.cases) * len(batch.people))
    tally("random conditions with a difference", database.name, len(wrong))
    assert not wrong, f"--random-seed {pytestconfig.stash[SEED]}, {batch.zone}:\n" + "\n".join(
        wrong[:MAX_SHOWN]
    )


async def _differences(crowd: Crowd, case: Case, expected: frozenset[str]) -> list[str]:
    """Describe where a database disagrees: on the condition, on its complement, or on one contact alone."""
    result = await crowd.members(case.node, random_conditions.NOW)
    others = await crowd.members(tree.Not(case.node), random_conditions.NOW)
    names = sorted(crowd.contacts)
    one = names[zlib.crc32(tree.encode(case.node).encode()) % len(names)]
    alone = {one} if await crowd.has(one, case.node, random_conditions.NOW) else set[str]()
    odd = sorted((result ^ expected) | (others ^ (frozenset(names) - expected)) | (alone ^ expected & {one}))
    return [f"{odd}: {json.dumps(case.condition)}"] if odd else []
