"""The compiled function is tested with the same rows as SQL, and with the oracle on random conditions."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from itertools import islice
from random import Random
from types import CodeType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.python_compiler import MatchFunction, compile_to_python
from diglot.conditions.python_runtime import SpanSet, in_any_span
from support import canonical, oracle, populations, spec_data
from support import random_conditions as drawn
from support.reporting import SEED, Tally

ROWS = spec_data.rows()
PEOPLE = spec_data.population()
ZONES = ("UTC", "Africa/Cairo", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia")
MAX_SHOWN = 5
BATCH = 50


def subject(contact: Mapping[str, Any], zone: str, lists: Mapping[str, str]) -> ContactView:
    """Return a contact of the spec as conditions read it."""
    stored = populations.contact(contact, 0)
    values = msgspec.structs.asdict(stored) | populations.event_values(contact)
    fields = populations.SpecFields(values, contact, zone)
    fields["tags"] = json.loads(stored.tags)
    on = frozenset(lists[name] for name in contact.get("lists", ()) if name in lists)
    return ContactView(fields, json.loads(stored.attributes), on, ZoneInfo(zone))


@cache
def population(zone: str) -> Mapping[str, ContactView]:
    """Return the population in a time zone."""
    return {name: subject(one, zone, PEOPLE.lists) for name, one in PEOPLE.contacts.items()}


def members(evaluate: MatchFunction, number: int, now: datetime, zone: str) -> frozenset[str]:
    """Return the contacts that match a condition."""
    instant = populations.micros(now)
    return frozenset(name for name, one in population(zone).items() if number in evaluate(one, instant))


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}: {row.name}")
def test_a_row_holds(row: spec_data.Row, tally: Tally) -> None:
    """The members of a row are exactly the matches of the function; its negation matches all others."""
    node = canonical.read(row.condition, row.zone)
    evaluate = compile_to_python({7: node, 8: tree.Not(node)}, ZoneInfo(row.zone))
    assert members(evaluate, 7, row.now, row.zone) == row.members
    if not tree.is_draft(node):
        assert members(evaluate, 8, row.now, row.zone) == frozenset(PEOPLE.contacts) - row.members
    tally("rows of the spec", "the compiled function", 1)


@pytest.mark.parametrize("zone", sorted({row.zone for row in ROWS}))
def test_all_rows_hold_in_one_function(zone: str) -> None:
    """Conditions that share a function do not affect each other."""
    rows = {number: row for number, row in enumerate(ROWS) if row.zone == zone}
    nodes = {number: canonical.read(row.condition, zone) for number, row in rows.items()}
    evaluate = compile_to_python(nodes, ZoneInfo(zone))
    for now in {row.now for row in rows.values()}:
        results = {
            name: set(evaluate(one, populations.micros(now))) for name, one in population(zone).items()
        }
        for number, row in rows.items():
            if row.now == now:
                assert {name for name, met in results.items() if number in met} == row.members, row.name


@pytest.mark.one_in(2)
@pytest.mark.parametrize("acceptance", spec_data.acceptances(), ids=lambda acceptance: acceptance.name)
def test_an_acceptance_is_evaluated(acceptance: spec_data.Acceptance) -> None:
    """A condition at the limit is not too large for Python's own limits, either."""
    match = partial(oracle.matches, acceptance.condition, now=PEOPLE.now, zone="UTC", lists=PEOPLE.lists)
    expected = frozenset(name for name, one in PEOPLE.contacts.items() if match(one))
    evaluate = compile_to_python({0: canonical.read(acceptance.condition, "UTC")}, ZoneInfo("UTC"))
    assert members(evaluate, 0, PEOPLE.now, "UTC") == expected


def test_random_conditions_agree(pytestconfig: pytest.Config, tally: Tally) -> None:
    """The function finds the oracle's matches, for many conditions at a time."""
    seed = pytestconfig.stash[SEED]
    rng = Random(seed)
    now = populations.micros(drawn.NOW)
    ids = tuple(PEOPLE.lists.values())
    wrong: list[str] = []
    pairs = 0
    for _ in range(0, pytestconfig.getoption("random_trees"), BATCH):
        zone = rng.choice(ZONES)
        people = [drawn.contact(rng, n) for n in range(pytestconfig.getoption("random_contacts"))]
        conditions = list(islice(iter(lambda: drawn.condition(rng, ids), None), BATCH))
        nodes = {n: canonical.read(one, zone) for n, one in enumerate(conditions)}
        evaluate = compile_to_python(nodes, ZoneInfo(zone))
        for contact in people:
            met = set(evaluate(subject(contact, zone, PEOPLE.lists), now))
            known = oracle.Subject(contact, zone, PEOPLE.lists)
            for number, condition in enumerate(conditions):
                expected = oracle.matches(condition, known, now=drawn.NOW, zone=zone, lists=PEOPLE.lists)
                pairs += 1
                if (number in met) != expected:
                    wrong.append(f"{zone} {json.dumps(contact)}: {json.dumps(condition)}")
    tally("random pairs of condition and contact", "the compiled function", pairs)
    assert not wrong, f"--random-seed {seed}:\n" + "\n".join(wrong[:MAX_SHOWN])


def test_the_fields_of_a_condition() -> None:
    """A condition has the fields of all its predicates, negated ones included."""
    condition = {
        "all": [
            {"field": "tags", "operator": "is_set"},
            {"not": {"any": [{"field": "attributes.plan", "operator": "equals", "operand": "pro"}]}},
            {"field": "email", "operator": "not_contains", "operand": "x"},
        ]
    }
    assert tree.fields_of(canonical.read(condition, "UTC")) == {"tags", "attributes.plan", "email"}


def test_spans_that_touch_are_one() -> None:
    """An instant lies in the union of the spans."""
    spans = SpanSet([(10, 20), (0, 3), (20, 25), (12, 15), (40, 41)])
    assert [n for n in range(-1, 50) if in_any_span(n, spans)] == [*range(3), *range(10, 25), 40]


def test_no_function_has_an_inner_scope() -> None:
    """Python's compile time grows with inner scopes times variables, so a function must have none."""
    for row in ROWS:
        evaluate = compile_to_python({0: canonical.read(row.condition, row.zone)}, ZoneInfo(row.zone))
        inner = [item for item in evaluate.__code__.co_consts if isinstance(item, CodeType)]
        assert not inner, row.name


def test_numbers_that_share_a_hash_cost_nothing() -> None:
    """Multiples of 2^61 - 1 all hash to 0, so operands and stored arrays of them are compared by text."""
    numbers = [n * (2**61 - 1) for n in range(-3, 4)]
    node = canonical.read({"field": "attributes.n", "operator": "in", "operand": numbers}, "UTC")
    evaluate = compile_to_python({0: node}, ZoneInfo("UTC"))
    for value, expected in ((numbers, [0]), (numbers[5] + 1, []), (float(2**61), [0]), (5, [])):
        one = ContactView({}, {"n": value}, (), ZoneInfo("UTC"))
        assert evaluate(one, 0) == expected
