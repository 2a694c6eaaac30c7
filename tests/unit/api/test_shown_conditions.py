"""A stored condition is shown as it was sent, but a name that has become a computed field has its prefix."""

import json

import pytest

from diglot.api.rules.reading import read_condition
from diglot.api.rules.words import Words
from diglot.api.rules.writing import show_condition
from diglot.conditions import tree
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.errors import InvalidInput
from diglot.model.segments import Condition, OriginalText

# As sent before `sample` was a computed field, with the tree of that time.
RULES = (
    '{"rules":[{"value":1,"operator":"equals","field":"sample"},{"%s":"%s","rules":['
    '{"field":"anniversary.x","operator":"equals","value":"a"},'
    '{"field":"attributes.sample.x","operator":"equals","value":[]},'
    '{"field":"email","operator":"equals","value":"sample"}]}]}'
)
TREE = tree.All(
    (
        tree.Predicate("attributes.sample", tree.Op.EQUALS, tree.Number(1)),
        tree.Any(
            (
                tree.Predicate("attributes.anniversary.x", tree.Op.EQUALS, tree.Text("a")),
                tree.Not(tree.Predicate("attributes.sample.x", tree.Op.EQUALS, tree.Text("b"))),
                tree.Predicate("email", tree.Op.EQUALS, tree.Text("sample")),
            )
        ),
    )
)


@pytest.mark.parametrize(
    ("dialect", "words", "group"),
    [("misar", MISAR, ("operator", "OR")), ("topmail", TOPMAIL, ("match", "any"))],
    ids=["misar", "topmail"],
)
def test_a_bare_name_gets_its_prefix(dialect: str, words: Words, group: tuple[str, str]) -> None:
    """Everything else is as it was sent."""
    text = RULES % group
    shown = show_condition(Condition(TREE, OriginalText(dialect, text)), dialect, words)
    prefix = words.attribute_prefix
    expected = text.replace('"field":"sample"', f'"field":"{prefix}sample"')
    expected = expected.replace('"field":"anniversary.x"', f'"field":"{prefix}anniversary.x"')
    assert bytes(shown).decode() == expected


def test_other_conditions_are_shown_as_sent() -> None:
    """A computed field is written as it was sent, and translated for the other dialect."""
    sent = '{"rules": [{"field": "anniversary.birthday", "operator": "lte", "value": "7"}]}'
    node = check_condition(read_condition(json.loads(sent), TOPMAIL))
    condition = Condition(node, OriginalText("topmail", sent))
    assert bytes(show_condition(condition, "topmail", TOPMAIL)).decode() == sent
    shown = json.loads(bytes(show_condition(condition, "misar", MISAR)))
    assert shown["rules"] == [{"field": "anniversary.custom_fields.birthday", "operator": "lte", "value": 7}]


def test_strict_names_the_attribute() -> None:
    """The message of the 400 says how the attribute of that name is reached."""
    wire = {"rules": [{"field": "sample", "operator": "equals", "value": 1}]}
    unchecked = read_condition(wire, MISAR, strict=True)
    with pytest.raises(InvalidInput, match=r"custom_fields\.sample`"):
        check_condition(unchecked)
