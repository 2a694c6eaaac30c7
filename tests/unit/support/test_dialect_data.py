"""The rows of tests/spec/dialects are well formed and leave out no word."""

import json
import re

import pytest

from support.dialect_data import (
    CANONICAL_OPERATORS,
    DialectData,
    Pair,
    Rejected,
    Translation,
    check_condition,
    fault_path,
    load_dialects,
    operators_in,
    read_dialect,
    wire_text,
)
from support.openapi.exchanges import BadStory, Json

DATA = load_dialects()
BOTH = pytest.mark.parametrize("data", DATA.values(), ids=list(DATA))
WORDS = {
    "misar": {
        "equals",
        "not_equals",
        "contains",
        "not_contains",
        "starts_with",
        "ends_with",
        "greater_than",
        "less_than",
        "before",
        "after",
        "is_empty",
        "is_not_empty",
        "in",
        "not_in",
    },
    "topmail": {
        "equals",
        "not_equals",
        "contains",
        "gt",
        "lt",
        "gte",
        "lte",
        "in_last_days",
        "more_than_days_ago",
        "exactly_days_ago",
        "is_set",
        "is_not_set",
        "in_list",
        "not_in_list",
    },
}
# The operators that no vendor has.
OURS = {"in_next_days", "in_last_hours", "more_than_hours_ago", "in_next_hours"}
EXTENSIONS = {
    "misar": {"gte", "lte", "in_last_days", "more_than_days_ago", "exactly_days_ago", *OURS},
    "topmail": {"not_contains", "starts_with", "ends_with", "before", "after", *OURS},
}
GROUP_KEY = {"misar": "operator", "topmail": "match"}


def leads_somewhere(wire: Json, path: tuple[str | int, ...]) -> bool:
    """Return whether every step exists, except for a missing last key."""
    for index, part in enumerate(path):
        if isinstance(wire, dict) and part in wire:
            wire = wire[str(part)]
        elif isinstance(wire, list) and isinstance(part, int) and part < len(wire):
            wire = wire[part]
        else:
            return isinstance(wire, dict) and isinstance(part, str) and index == len(path) - 1
    return True


@BOTH
def test_every_word_of_the_vendor_appears_in_pairs(data: DialectData) -> None:
    own = {word for pair in data.pairs for word in operators_in(pair.wire)}
    assert own == WORDS[data.dialect] | EXTENSIONS[data.dialect]


@BOTH
def test_every_canonical_operator_appears_in_pairs(data: DialectData) -> None:
    assert {word for pair in data.pairs for word in operators_in(pair.condition)} == set(CANONICAL_OPERATORS)


@BOTH
def test_every_word_appears_across(data: DialectData) -> None:
    assert {word for row in data.translations for word in operators_in(row.wire)} >= WORDS[data.dialect]


@BOTH
def test_names_are_short_and_do_not_say_should(data: DialectData) -> None:
    rows: list[Pair | Rejected | Translation] = [*data.pairs, *data.rejected, *data.translations]
    names = [row.name for row in rows]
    assert [name for name in names if re.search(r"\bshould\b", name) or not 0 < len(name) <= 110] == []


def is_extension(pair: Pair) -> bool:
    """Return whether the wire object has an extension word, a computed field or a nested group."""
    assert isinstance(pair.wire, dict)
    rules = pair.wire.get("rules", [])
    assert isinstance(rules, list)
    nested = any(isinstance(rule, dict) and "rules" in rule for rule in rules)
    return nested or bool(operators_in(pair.wire) & EXTENSIONS[pair.dialect]) or has_computed_field(rules)


def has_computed_field(rules: list[Json]) -> bool:
    """Return whether a rule names a field that we compute."""
    names = [str(rule.get("field")) for rule in rules if isinstance(rule, dict)]
    of_ours = ("sample.", "anniversary.", "events.")
    return any(name in ("sample", "segments") or name.startswith(of_ours) for name in names)


@BOTH
def test_extensions_are_marked_at_their_path(data: DialectData) -> None:
    """A strict rejection is at an extension word, a computed field or a nested group, and nowhere else."""
    for pair in data.pairs:
        assert pair.extension == is_extension(pair), pair.name
        if pair.strict_refused is not None:
            assert leads_somewhere(pair.wire, pair.strict_refused), pair.name
            last = pair.strict_refused[-1]
            assert last in {"operator", "field"} or isinstance(last, int)


@BOTH
def test_a_canonical_object_has_the_vendors_order(data: DialectData) -> None:
    """Groups hold two keys, predicates two to four, in one order."""
    orders = {order for pair in data.pairs for order in key_orders(pair.canonical)}
    group = (GROUP_KEY[data.dialect], "rules")
    rule = ("field", "operator", "value")
    assert orders == {group, rule[:2], rule, (*rule, "where")}


def key_orders(node: Json) -> set[tuple[str, ...]]:
    """Collect the orders of keys of a group and of everything in its rules."""
    assert isinstance(node, dict)
    rules = node.get("rules", [])
    assert isinstance(rules, list)
    return {tuple(node), *(order for rule in rules for order in key_orders(rule))}


@BOTH
def test_one_condition_has_one_canonical_object(data: DialectData) -> None:
    printed: dict[str, str] = {}
    for pair in data.pairs:
        canonical = json.dumps(pair.canonical)
        assert printed.setdefault(json.dumps(pair.condition), canonical) == canonical, pair.name


@BOTH
def test_a_rejected_path_exists_in_its_object(data: DialectData) -> None:
    """A path ends at an existing value or at one missing key."""
    for row in data.rejected:
        for path in row.all_paths or ([] if row.path is None else [row.path]):
            assert leads_somewhere(json.loads(row.text), path), row.name


@BOTH
def test_no_object_is_both_accepted_and_refused(data: DialectData) -> None:
    accepted = {json.dumps(pair.wire, ensure_ascii=False) for pair in data.pairs}
    assert [row.name for row in data.rejected if row.text in accepted] == []


@BOTH
def test_no_refused_row_stands_twice(data: DialectData) -> None:
    texts: dict[str, Rejected] = {}
    for row in data.rejected:
        assert texts.setdefault(row.text, row) is row, row.name


ROW: dict[str, Json] = {"name": "a", "basis": "assumed"}
PAIR: dict[str, Json] = {**ROW, "wire": {}, "condition": {"all": []}}
REFUSED: dict[str, Json] = {**ROW, "wire": [], "path": []}
ACROSS: dict[str, Json] = {"name": "a", "wire": {}, "other": {}}
FILE: dict[str, Json] = {"dialect": "misar", "pairs": [PAIR], "refused": [REFUSED], "across": [ACROSS]}
BAD_FILES: list[dict[str, Json]] = [
    {**FILE, "dialect": "topmail"},
    {**FILE, "notes": []},
    {**FILE, "pairs": []},
    {**FILE, "pairs": [PAIR, PAIR]},
    {**FILE, "pairs": [{**PAIR, "colour": "red"}]},
    {**FILE, "pairs": [{**PAIR, "basis": "guessed"}]},
    {**FILE, "pairs": [{**PAIR, "extension": True}]},
    {**FILE, "pairs": [{**PAIR, "extension": False, "strict_refused": []}]},
    {**FILE, "refused": [{**REFUSED, "note": ""}]},
    {**FILE, "refused": [{**REFUSED, "path": [True]}]},
    {**FILE, "refused": [{**REFUSED, "all_paths": [["rules"], []]}]},
    {**FILE, "across": [{**ACROSS, "basis": "assumed"}]},
]


@pytest.mark.parametrize("file", BAD_FILES, ids=json.dumps)
def test_a_file_of_another_shape_is_refused(file: Json) -> None:
    with pytest.raises(BadStory):
        read_dialect("misar", json.dumps(file))


def test_a_valid_file_is_read() -> None:
    """The file from which the invalid ones are derived is valid."""
    assert read_dialect("misar", json.dumps(FILE)).rejected[0].text == "[]"


BAD_CONDITIONS: list[Json] = [
    [],
    {},
    {"all": [], "any": []},
    {"none": []},
    {"all": [{"field": "email"}]},
    {"all": [{"field": "email", "operator": "is_not_empty"}]},
    {"all": [{"field": "email", "operator": "equals"}]},
    {"not": {"field": "email", "operator": "is_set", "operand": 1}},
    {"any": [{"field": "email", "operator": "equals", "operand": 1, "value": 1}]},
]


@pytest.mark.parametrize("condition", BAD_CONDITIONS, ids=json.dumps)
def test_what_is_no_condition_is_refused(condition: Json) -> None:
    with pytest.raises(BadStory):
        check_condition("x", condition)


def test_raw_text_stays_unchanged() -> None:
    """Duplicate keys and NaN survive loading."""
    assert wire_text({"$text": '{"a":1,"a":NaN}'}) == '{"a":1,"a":NaN}'
    assert wire_text({"a": [{"$times": 2, "item": 1}]}) == '{"a": [1, 1]}'
    assert fault_path("x", ["rules", 0]) == ("rules", 0)
