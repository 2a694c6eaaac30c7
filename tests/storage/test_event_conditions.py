"""Random conditions about events on random contacts: every evaluator agrees with the oracle."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import tree
from diglot.storage.sql.engine import Engine
from support import canonical, oracle, populations, random_conditions, random_events
from support.engines import Database
from support.evaluators import EVALUATORS
from support.reporting import SEED, Tally
from unit.conditions.test_python_compiler import subject

ZONES = ("UTC", "Africa/Cairo", "Pacific/Apia")
NOW = random_conditions.NOW
SHARE = 8


def people_of(rng: Random, count: int) -> Mapping[str, Mapping[str, Any]]:
    """Create contacts with events."""
    return {
        f"p{n}": random_conditions.contact(rng, n, ()) | {"events": random_events.events(rng, NOW)}
        for n in range(count)
    }


def conditions_of(rng: Random, count: int) -> list[Any]:
    return [
        random_events.condition(rng, NOW, [random_conditions.predicate(rng) for _ in range(3)])
        for _ in range(count)
    ]


def matching(condition: Any, people: Mapping[str, Any], now: Any, zone: str) -> set[str]:
    match = partial(oracle.matches, condition, now=now, zone=zone, lists={})
    return {name for name, one in people.items() if match(one)}


async def test_databases_agree(
    database: Database, engine: Engine, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """A database finds the oracle's matches now and a microsecond later, and those of the negation."""
    rng = Random(pytestconfig.stash[SEED])
    for zone in ZONES:
        people = people_of(rng, pytestconfig.getoption("random_contacts"))
        crowd = await populations.load(engine, people, {}, zone, NOW)
        for condition in conditions_of(rng, pytestconfig.getoption("random_trees") // SHARE):
            node = canonical.read(condition)
            for now in (NOW, NOW + timedelta(microseconds=1)):
                expected = matching(condition, people, now, zone)
                assert await crowd.members(node, now) == expected, json.dumps(condition)
                others = await crowd.members(tree.Not(node), now)
                assert others == people.keys() - expected, json.dumps(condition)
                one = rng.choice(sorted(people))
                assert await crowd.has(one, node, now) == (one in expected), json.dumps(condition)
            tally("random pairs of condition about events and contact", database.name, 4 * len(people))


@pytest.mark.parametrize("name", EVALUATORS)
def test_evaluators_agree(name: str, pytestconfig: pytest.Config, tally: Tally) -> None:
    """Each evaluator in Python finds the oracle's matches."""
    rng = Random(pytestconfig.stash[SEED])
    for zone in ZONES:
        people = people_of(rng, pytestconfig.getoption("random_contacts"))
        written = conditions_of(rng, pytestconfig.getoption("random_trees") // SHARE)
        nodes = {number: canonical.read(one) for number, one in enumerate(written)}
        evaluate = EVALUATORS[name](nodes, ZoneInfo(zone))
        views = [subject(one, zone, {}) for one in people.values()]
        for now in (NOW, NOW + timedelta(microseconds=1)):
            found = evaluate(views, populations.micros(now))
            for number, condition in enumerate(written):
                matched = {who for who, numbers in zip(people, found, strict=True) if number in numbers}
                assert matched == matching(condition, people, now, zone), json.dumps(condition)
        tally("random pairs of condition about events and contact", name, 2 * len(nodes) * len(views))
