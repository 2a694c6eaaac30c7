"""The rows of the spec are well formed: a typo cannot pass as a new fact."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support import oracle, spec_data
from support.paths import SPEC

FILES = [*spec_data.member_files(), SPEC / "refusals.json", SPEC / "acceptances.json"]
OTHERS = [SPEC / "population.json", SPEC / "examples.json", SPEC / "references" / "segments.json"]
SCHEMA = spec_data.read(SPEC / "schema.json")
SHAPES = {
    "refusals": "refusals_file",
    "acceptances": "acceptances_file",
    "population": "population",
    "examples": "examples_file",
    "segments": "references_file",
}
OPERATORS = SCHEMA["$defs"]["operator"]["enum"]
FIELDS = SCHEMA["$defs"]["field"]["anyOf"][1]["enum"]


def predicates(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Walk the leaves of a condition."""
    below = [*node.get("all", ()), *node.get("any", ()), *([node["not"]] if "not" in node else ())]
    yield from (leaf for inner in below for leaf in predicates(inner))
    yield from [node] if "field" in node else []


def name_of(path: Path) -> str:
    return path.stem


def follow(condition: Any, path: tuple[str | int, ...]) -> None:
    """Walk a path; its last step may name a missing key."""
    for step in path[:-1]:
        condition = condition[step]
    assert isinstance(condition, dict) or path[-1] in range(len(condition))


@pytest.mark.parametrize("path", [*FILES, *OTHERS], ids=name_of)
def test_a_file_has_its_shape(path: Path) -> None:
    """Every file fits the schema, so unknown keys, empty files and loose verdicts are rejected."""
    shape = {"$ref": "#/$defs/" + SHAPES.get(path.stem, "members_file"), "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(shape).validate(spec_data.read(path))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_row_names_are_unique(path: Path) -> None:
    """A name stands for one row of its file."""
    counts = Counter(row["name"] for row in spec_data.read(path)["rows"])
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", spec_data.member_files(), ids=name_of)
def test_rows_name_known_contacts(path: Path) -> None:
    """Every member and every exception is in the population."""
    known = spec_data.population().contacts.keys()
    for row in spec_data.read(path)["rows"]:
        assert {*row.get("members", ()), *row.get("all_but", ())} <= known, row["name"]


def test_every_operator_has_a_file() -> None:
    """The files of operators/ are exactly the canonical operators."""
    assert sorted(path.stem for path in spec_data.OPERATORS.iterdir()) == sorted(OPERATORS)


@pytest.mark.parametrize("path", sorted(spec_data.OPERATORS.iterdir()), ids=name_of)
def test_a_file_is_about_its_operator(path: Path) -> None:
    """Every predicate of an operator's file uses that operator or its complement."""
    data = spec_data.read(path)
    assert data["operator"] == path.stem
    positive = oracle.NEGATIVES.get(path.stem, path.stem)
    family = {positive, *(name for name, other in oracle.NEGATIVES.items() if other == positive)}
    used = {leaf["operator"] for row in data["rows"] for leaf in predicates(row["condition"])}
    assert used <= family


def test_every_field_and_operator_has_a_row() -> None:
    """No catalogued field is left without a row."""
    seen = {leaf["field"] for row in spec_data.rows() for leaf in predicates(row.condition)}
    assert set(FIELDS) - seen == set()


def test_no_row_was_lost() -> None:
    """The numbers of rows only grow."""
    assert len(spec_data.rows()) >= 350
    assert len(spec_data.population().contacts) >= 44
    assert len(spec_data.refusals()) >= 150


def test_contacts_are_distinct() -> None:
    """Names are unique, and emails are unique as they are stored."""
    contacts = spec_data.read(SPEC / "population.json")["contacts"]
    emails = {unicodedata.normalize("NFC", contact["email"].lower()) for contact in contacts}
    assert len({contact["name"] for contact in contacts}) == len(emails) == len(contacts)


def test_contacts_are_on_known_lists() -> None:
    """Every list of a contact has an id."""
    known = spec_data.population().lists.keys()
    assert all(set(contact.get("lists", ())) <= known for contact in spec_data.population().contacts.values())


@pytest.mark.parametrize("refusal", spec_data.refusals(), ids=lambda refusal: refusal.name)
def test_a_rejected_path_exists(refusal: spec_data.Refusal) -> None:
    """A path leads through the condition to an existing place."""
    for path in refusal.paths:
        follow(refusal.condition, path)


def test_repeats_are_expanded() -> None:
    """The compact notation expands to the given number of copies."""
    compact = {"any": [{"repeat": 2, "node": {"operand": [{"repeat": 3, "value": 1}, 2]}}]}
    assert spec_data.expand(compact) == {"any": [{"operand": [1, 1, 1, 2]}] * 2}
