"""Every evaluator in Python finds the members of each row, and the oracle's matches of random conditions."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import tree
from support import canonical, oracle, populations, spec_data
from support import random_conditions as drawn
from support.evaluators import EVALUATORS
from support.reporting import SEED, Tally
from unit.conditions.test_python_compiler import PEOPLE, ROWS, ZONES, population, subject

MAX_SHOWN = 5
BATCH = 50
every_evaluator = pytest.mark.parametrize("evaluator", EVALUATORS)


@every_evaluator
@pytest.mark.parametrize("zone", sorted({row.zone for row in ROWS}))
def test_all_rows_hold_together(evaluator: str, zone: str, tally: Tally) -> None:
    """The members of a row are its matches, alone and negated, among the conditions of all rows."""
    rows = {number: row for number, row in enumerate(ROWS) if row.zone == zone}
    nodes: dict[int, tree.Node] = {}
    for number, row in rows.items():
        nodes[number] = canonical.read(row.condition, zone)
        nodes[-number - 1] = tree.Not(nodes[number])
    match, people = EVALUATORS[evaluator](nodes, ZoneInfo(zone)), population(zone)
    for now in {row.now for row in rows.values()}:
        results = dict(zip(people, match(list(people.values()), populations.micros(now)), strict=True))
        for number, row in rows.items():
            if row.now == now:
                assert {name for name, met in results.items() if number in met} == row.members, row.name
                others = frozenset(people) - row.members if not tree.is_draft(nodes[number]) else people
                assert {name for name, met in results.items() if -number - 1 in met} == set(others), row.name
    tally("rows", evaluator, len(rows))


@pytest.mark.one_in(3)
@every_evaluator
@pytest.mark.parametrize("acceptance", spec_data.acceptances(), ids=lambda acceptance: acceptance.name)
def test_an_acceptance_is_evaluated(evaluator: str, acceptance: spec_data.Acceptance) -> None:
    """A condition at a limit is evaluated as any other."""
    match = partial(oracle.matches, acceptance.condition, now=PEOPLE.now, zone="UTC", lists=PEOPLE.lists)
    expected = [match(one) for one in PEOPLE.contacts.values()]
    evaluate = EVALUATORS[evaluator]({0: canonical.read(acceptance.condition)}, ZoneInfo("UTC"))
    found = evaluate(list(population("UTC").values()), populations.micros(PEOPLE.now))
    assert [0 in numbers for numbers in found] == expected


def test_random_conditions_agree(pytestconfig: pytest.Config, tally: Tally) -> None:
    """All evaluators find the oracle's matches of the same random conditions and contacts."""
    seed = pytestconfig.stash[SEED]
    rng, wrong = Random(seed), list[str]()
    for _ in range(0, pytestconfig.getoption("random_trees"), BATCH):
        zone = rng.choice(ZONES)
        people = [drawn.contact(rng, n) for n in range(pytestconfig.getoption("random_contacts"))]
        conditions = list(
            islice(iter(lambda: drawn.condition(rng, tuple(PEOPLE.lists.values())), None), BATCH)
        )
        expected = [_oracle_numbers(one, conditions, zone) for one in people]
        nodes = {number: canonical.read(one, zone) for number, one in enumerate(conditions)}
        views = [subject(one, zone, PEOPLE.lists) for one in people]
        for name, make in EVALUATORS.items():
            found = make(nodes, ZoneInfo(zone))(views, populations.micros(drawn.NOW))
            for one, numbers, right in zip(people, found, expected, strict=True):
                wrong += [
                    f"{name}, {zone} {json.dumps(one)}: {json.dumps(conditions[number])}"
                    for number in numbers ^ right
                ]
            tally("random pairs of condition and contact", name, len(nodes) * len(views))
    assert not wrong, f"--random-seed {seed}:\n" + "\n".join(wrong[:MAX_SHOWN])


def _oracle_numbers(
    contact: Mapping[str, Any], conditions: Sequence[Mapping[str, Any]], zone: str
) -> set[int]:
    known = oracle.Subject(contact, zone, PEOPLE.lists)
    match = partial(oracle.matches, contact=known, now=drawn.NOW, zone=zone, lists=PEOPLE.lists)
    return {number for number, condition in enumerate(conditions) if match(condition)}
