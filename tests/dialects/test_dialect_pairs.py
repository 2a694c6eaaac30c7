"""Wire to tree and back: every pair, every rejection and every translation of tests/spec/dialects."""

import json
from dataclasses import dataclass

import pytest
from msgspec import UNSET

from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.rules.words import Words
from diglot.api.rules.writing import write_condition
from diglot.conditions import tree
from diglot.dialects.misar.words import PLATFORM_WORDS
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.errors import InvalidInput
from diglot.model.segments import Condition
from support import canonical
from support.dialect_data import Pair, Rejected, Translation, load_dialects, wire_text

DATA = load_dialects()
PAIRS = [pair for data in DATA.values() for pair in data.pairs]
REFUSED = [row for data in DATA.values() for row in data.rejected]
ACROSS = [row for data in DATA.values() for row in data.translations]


@dataclass(frozen=True)
class DialectWords:
    """A dialect's words, the property that holds its conditions, and the other dialect."""

    member: str
    words: Words
    other: str


SPOKEN = {
    "misar": DialectWords("filter_criteria", MISAR, "topmail"),
    "topmail": DialectWords("conditions", TOPMAIL, "misar"),
}


def read_condition(dialect: str, text: str, *, strict: bool = False) -> Condition:
    """Read a condition as the handlers do: from the bytes of a body."""
    spoken = SPOKEN[dialect]
    members = request_body.parse_object(
        f'{{"{spoken.member}":{text}}}'.encode("utf-8", "surrogatepass"), unique_keys=True
    )
    reader = BodyReader(members)
    condition = reader.read_condition(spoken.member, dialect, spoken.words, strict=strict)
    reader.raise_faults()
    assert condition is not UNSET
    return condition


def render_condition(dialect: str, node: tree.Node) -> str:
    """Return a condition in a dialect's words."""
    return write_condition(node, SPOKEN[dialect].words)


def named(row: Pair | Rejected | Translation) -> str:
    return f"{row.dialect}: {row.name}"


@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_wire_means_the_condition(pair: Pair) -> None:
    """The vendor's object reads as the tree of its canonical condition, and is stored as sent."""
    condition = read_condition(pair.dialect, wire_text(pair.wire))
    assert isinstance(pair.condition, dict)
    assert tree.encode(condition.tree) == tree.encode(canonical.read(pair.condition, "UTC"))
    assert tree.is_draft(condition.tree) or json.loads(condition.original.text) == pair.wire


@pytest.mark.one_in(2)
@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_the_condition_renders_canonically(pair: Pair) -> None:
    """This dialect renders the tree in the canonical spelling, with keys in the vendor's order."""
    assert isinstance(pair.condition, dict)
    text = render_condition(pair.dialect, canonical.read(pair.condition, "UTC"))
    assert text == request_body.compact_json(wire_text(pair.canonical).encode())


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_single_rule_renders_in_a_group(dialect: str) -> None:
    """Neither vendor can express a rule outside a group."""
    lone = canonical.read({"field": "email", "operator": "is_set"}, "UTC")
    alone = canonical.read({"all": [{"field": "email", "operator": "is_set"}]}, "UTC")
    assert render_condition(dialect, lone) == render_condition(dialect, alone)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("pair", PAIRS, ids=named)
@pytest.mark.parametrize("dialect", SPOKEN)
def test_rendering_and_reading_back_changes_nothing(pair: Pair, dialect: str) -> None:
    """The tree survives a round trip through the words of either dialect."""
    node = read_condition(pair.dialect, wire_text(pair.wire)).tree
    assert tree.encode(read_condition(dialect, render_condition(dialect, node)).tree) == tree.encode(node)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.strict_refused is not None], ids=named)
def test_strict_emulation_rejects_extensions(pair: Pair) -> None:
    """An extension or a nested group is a fault at its path."""
    with pytest.raises(InvalidInput) as refused:
        read_condition(pair.dialect, wire_text(pair.wire), strict=True)
    assert refused.value.faults[0].path[1:] == pair.strict_refused


@pytest.mark.one_in(2)
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.strict_refused is None], ids=named)
def test_strict_emulation_accepts_the_vendors_own(pair: Pair) -> None:
    """Strict emulation reads everything that the vendor has in the same way."""
    text = wire_text(pair.wire)
    assert read_condition(pair.dialect, text, strict=True) == read_condition(pair.dialect, text)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("row", [row for row in REFUSED if row.path is not None], ids=named)
def test_a_rejection_names_the_fault(row: Rejected) -> None:
    """The faults have the paths of the row: the first one, or all of them if the row lists them."""
    with pytest.raises(InvalidInput) as refused:
        read_condition(row.dialect, row.text)
    paths = tuple(fault.path[1:] for fault in refused.value.faults)
    assert paths[0] == row.path
    assert row.all_paths is None or paths == row.all_paths


@pytest.mark.parametrize("row", [row for row in REFUSED if row.path is None], ids=named)
def test_invalid_json_is_rejected(row: Rejected) -> None:
    """Text that the parser cannot read is rejected without a crash."""
    with pytest.raises(InvalidInput):
        read_condition(row.dialect, row.text)


@pytest.mark.parametrize("row", ACROSS, ids=named)
def test_the_other_dialect_shows_it_in_its_own_words(row: Translation) -> None:
    """The other dialect renders the condition in its own words, with keys in order."""
    node = read_condition(row.dialect, wire_text(row.wire)).tree
    assert render_condition(SPOKEN[row.dialect].other, node) == request_body.compact_json(
        wire_text(row.other).encode()
    )


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("synonym", "word"),
    [("eq", "equals"), ("neq", "not_equals"), ("gt", "greater_than"), ("lt", "less_than")],
)
def test_the_words_of_misars_platform_are_read_but_not_shown(synonym: str, word: str, strict: bool) -> None:
    """They mean the same as Misar's own words, in strict emulation too.

    The stored tree has no trace of them.
    """
    text = '{"filter_criteria":{"operator":"AND","rules":[{"field":"lead_score","operator":"%s","value":5}]}}'
    reader = BodyReader(request_body.parse_object((text % synonym).encode()))
    read_so = reader.read_condition("filter_criteria", "misar", PLATFORM_WORDS, strict=strict)
    plain = BodyReader(request_body.parse_object((text % word).encode()))
    assert read_so == plain.read_condition("filter_criteria", "misar", MISAR, strict=strict)
