"""Every edge value as an operand against every stored edge value, field by field.

Random conditions seldom combine two rare values; here each meets each. By default, a part of the values drawn
by the seed are operands; with `--full` all of them are.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from diglot.conditions import tree
from diglot.errors import InvalidInput
from diglot.storage.connect import create_engine
from support import canonical, oracle, random_conditions
from support.engines import Database
from support.populations import Crowd, load
from support.reporting import SEED

ZONE = "America/Sao_Paulo"
RNG = Random(1)
MOMENTS = (
    *random_conditions.DATES,
    *random_conditions.EXTREMES,
    *(random_conditions.dated(RNG) for _ in range(40)),
)
VALUES = (
    *random_conditions.TEXTS,
    *random_conditions.NUMBERS,
    True,
    False,
    *MOMENTS,
    *random_conditions.NO_DATES,
)
OPERANDS = (*VALUES, *random_conditions.DAYS, *random_conditions.HOURS)
FIELDS = ("first_name", "tags", "total_spent", "last_opened_at", "attributes.plan", "attributes.things")
TESTS = [
    (field, operator)
    for field in FIELDS
    for operator in random_conditions.OPERATORS[oracle.kind_of(field)]
    if operator not in {"in", "is_set", *oracle.NEGATIVES}
]


def person(number: int, value: Any) -> Mapping[str, Any]:
    """Return a contact with a value in every field that can hold it."""
    created: dict[str, Any] = {"email": f"p{number}@example.com", "created_at": random_conditions.EXTREMES[0]}
    created["updated_at"] = created["created_at"]
    created["attributes"] = {"plan": value, "things": ["b", value], "plan2": ["a"]}
    if isinstance(value, str):
        created |= {"first_name": value, "tags": ["b", value]}
        with suppress(ValueError):
            created["last_opened_at"] = instant(value)
    elif not isinstance(value, bool) and 0 <= value < 2**53:
        created["total_spent"] = value
    return created


def instant(value: str) -> str:
    """Return the text if it is an instant in UTC, as contacts of the spec have it."""
    if not value.endswith("Z") or oracle.moment(value, "UTC") is None:
        raise ValueError(value)
    return value


PEOPLE = {f"p{number}": person(number, value) for number, value in enumerate(VALUES)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(database: Database) -> AsyncIterator[Crowd]:
    """Load all contacts once for each database."""
    async with database.fresh() as url:
        engine = create_engine(url)
        await engine.open()
        yield await load(engine, PEOPLE, {}, ZONE, random_conditions.NOW)
        await engine.close()


@pytest.fixture(scope="module")
def subjects() -> Mapping[str, oracle.Subject]:
    """Read all contacts once for the oracle."""
    return {name: oracle.Subject(one, ZONE, {}) for name, one in PEOPLE.items()}


@pytest.fixture(scope="module")
def operands(pytestconfig: pytest.Config) -> Sequence[Any]:
    """Draw one operand in some by the seed, or take all of them."""
    share = pytestconfig.getoption("edge_share")
    return Random(pytestconfig.stash[SEED]).sample(OPERANDS, len(OPERANDS) // share)


def legal_conditions(
    field: str, operator: str, operands: Sequence[Any] = OPERANDS
) -> Iterator[tuple[Mapping[str, Any], tree.Node]]:
    """Yield a condition for every legal operand."""
    for operand in operands:
        condition = {"field": field, "operator": operator, "operand": operand}
        with suppress(InvalidInput):
            yield condition, canonical.read(condition, ZONE)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("pair", TESTS, ids=" ".join)
async def test_every_value_against_every_value(
    crowd: Crowd,
    subjects: Mapping[str, oracle.Subject],
    pair: tuple[str, str],
    operands: Sequence[Any],
    database: Database,
) -> None:
    """A database finds the oracle's matches."""
    wrong = []
    for condition, node in legal_conditions(*pair, operands):
        match = partial(oracle.matches, condition, now=random_conditions.NOW, zone=ZONE, lists={})
        expected = frozenset(name for name, subject in subjects.items() if match(subject))
        odd = await crowd.members(node, random_conditions.NOW) ^ expected
        wrong += [f"{database.name} {condition}: {PEOPLE[name]}" for name in odd]
    assert wrong == []


def test_every_operator_has_operands() -> None:
    """No operator is tested without operands."""
    assert all(
        len(list(legal_conditions(field, operator))) >= len(random_conditions.DAYS)
        for field, operator in TESTS
    )
