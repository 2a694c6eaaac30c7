"""The oracle agrees with every row, because other tests trust it."""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import jsonschema
import pytest

from support import oracle, random_conditions, spec_data
from support.paths import SPEC

DRAFTS: tuple[Mapping[str, Any], ...] = ({"all": []}, {"any": []})


@cache
def subjects(zone: str) -> Mapping[str, oracle.Subject]:
    """Read the population once per zone."""
    people = spec_data.population()
    return {name: oracle.Subject(contact, zone, people.lists) for name, contact in people.contacts.items()}


def members(row: spec_data.Row, condition: Mapping[str, Any]) -> frozenset[str]:
    """Evaluate a condition over the population in the zone and at the instant of a row."""
    lists = spec_data.population().lists
    return frozenset(
        name
        for name, subject in subjects(row.zone).items()
        if oracle.matches(condition, subject, now=row.now, zone=row.zone, lists=lists)
    )


def name_of(row: spec_data.Row) -> str:
    return f"{row.file}: {row.name}"


@pytest.mark.parametrize("row", spec_data.rows(), ids=name_of)
def test_a_row_holds(row: spec_data.Row) -> None:
    """The members of a row are exactly the contacts that match."""
    assert members(row, row.condition) == row.members


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", [row for row in spec_data.rows() if row.condition not in DRAFTS], ids=name_of)
def test_a_negation_is_the_complement(row: spec_data.Row) -> None:
    """A contact that does not match a condition matches its negation, missing values included."""
    assert members(row, {"not": row.condition}) == frozenset(subjects(row.zone)) - row.members


@pytest.mark.parametrize("acceptance", spec_data.acceptances(), ids=lambda acceptance: acceptance.name)
def test_accepted_conditions_are_evaluated(acceptance: spec_data.Acceptance) -> None:
    """A legal condition at a limit never raises, whatever a contact holds."""
    now = spec_data.population().now
    row = spec_data.Row(
        "acceptances", acceptance.name, acceptance.condition, frozenset(), "UTC", now, "assumed"
    )
    assert members(row, row.condition) <= frozenset(subjects("UTC"))


def test_a_plain_contact_is_accepted() -> None:
    """A contact that is no Subject yet is read on the spot."""
    ada = spec_data.population().contacts["ada"]
    condition = {"field": "lists", "operator": "is_set"}
    now, lists = spec_data.population().now, spec_data.population().lists
    assert oracle.matches(condition, ada, now=now, zone="UTC", lists=lists)


def crowd(seed: int) -> list[oracle.Subject]:
    """Create thirty contacts and read them in a zone that skips a midnight in spring."""
    lists = spec_data.population().lists
    created = [random_conditions.contact(Random(f"{seed}/{n}"), n) for n in range(30)]
    return [oracle.Subject(contact, "Africa/Cairo", lists) for contact in created]


def verdicts(condition: Mapping[str, Any], people: list[oracle.Subject]) -> list[bool]:
    lists = spec_data.population().lists
    return [
        oracle.matches(condition, contact, now=random_conditions.NOW, zone="Africa/Cairo", lists=lists)
        for contact in people
    ]


def test_generators_are_reproducible() -> None:
    """A seed gives the same contact and the same condition every time."""
    assert [random_conditions.condition(Random(n)) for n in range(50)] == [
        random_conditions.condition(Random(n)) for n in range(50)
    ]
    assert [random_conditions.contact(Random(n), n) for n in range(50)] == [
        random_conditions.contact(Random(n), n) for n in range(50)
    ]


def test_generated_contacts_have_the_shape_of_the_population() -> None:
    """A generated contact differs from a written one only in its name."""
    definitions = spec_data.read(SPEC / "schema.json")["$defs"]
    validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/contact", "$defs": definitions})
    for n in range(100):
        validator.validate(random_conditions.contact(Random(n), n) | {"name": "made"})


def test_generated_conditions_have_the_shape_of_the_rows() -> None:
    """A generated condition is canonical."""
    definitions = spec_data.read(SPEC / "schema.json")["$defs"]
    validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/node", "$defs": definitions})
    for n in range(200):
        validator.validate(random_conditions.condition(Random(n)))


def test_every_field_and_operator_is_generated_and_evaluated() -> None:
    """Every kind and operator matches some contact and not all; only a status is never empty."""
    ids = tuple(spec_data.population().lists.values())
    people = crowd(1)
    seen: dict[str, set[bool]] = {}
    for n in range(12):
        for predicate in random_conditions.every_predicate(Random(n), ids):
            kind = oracle.kind_of(predicate["field"])
            seen.setdefault(f"{kind} {predicate['operator']}", set()).update(verdicts(predicate, people))
    onesided = {pair for pair, found in seen.items() if found != {True, False}}
    assert onesided == {f"{kind} {name}" for kind in ("choice", "boolean") for name in ("is_set", "is_empty")}


@pytest.mark.parametrize("seed", range(40))
def test_de_morgan_on_generated_conditions(seed: int) -> None:
    """Negation and the two groups obey De Morgan's laws for every generated condition."""
    rng = Random(seed)
    people = crowd(seed)
    nodes = [random_conditions.condition(rng) for _ in range(3)]
    negated = [{"not": node} for node in nodes]
    assert verdicts({"not": {"all": nodes}}, people) == verdicts({"any": negated}, people)
    assert verdicts({"not": {"any": nodes}}, people) == verdicts({"all": negated}, people)
    assert verdicts({"not": nodes[0]}, people) == [not each for each in verdicts(nodes[0], people)]
