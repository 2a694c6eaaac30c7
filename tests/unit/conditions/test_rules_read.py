"""The parser reads only a bounded part of an absurdly long condition."""

import pytest

from diglot.api.rules.reading import MAX_ITEMS_READ, read_condition
from diglot.api.rules.words import Words
from diglot.conditions.check import MAX_DEPTH, MAX_FAULTS, MAX_PREDICATES, check_condition
from diglot.conditions.unchecked import Unchecked, UncheckedGroup, UncheckedRule
from diglot.dialects.misar.words import WORDS
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.errors import InvalidInput


def _deep(leaves: int) -> dict[str, object]:
    """Return a condition with a number of rules, each at the maximum depth."""
    results = []
    for _ in range(leaves):
        one: dict[str, object] = {"field": "email", "operator": "is_empty"}
        for _ in range(MAX_DEPTH - 1):
            one = {"rules": [one]}
        results.append(one)
    return {"rules": results}


def _read(written: Unchecked) -> int:
    """Return the number of rules and groups that were read."""
    return 1 + sum(map(_read, written.items)) if isinstance(written, UncheckedGroup) else 1


def test_the_largest_condition_is_read_to_its_end() -> None:
    """It has the maximum number of rules at the maximum depth."""
    written = read_condition(_deep(MAX_PREDICATES), WORDS)
    assert _read(written) == 1 + MAX_PREDICATES * MAX_DEPTH
    check_condition(written)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        pytest.param({"rules": [{}] * 50_000}, "Required", id="rules of nothing"),
        pytest.param({"rules": [[]] * 50_000}, "Expected object", id="no rules at all"),
        pytest.param({"rules": [{"rules": [{}] * 300}] * 300}, "Required", id="groups of rules of nothing"),
        pytest.param({"rules": [{"rules": []}] * 50_000}, "at least one rule", id="empty groups"),
        pytest.param(_deep(10 * MAX_PREDICATES), "at most 250 rules", id="too many sound rules"),
        pytest.param(
            {"rules": [{"field": "email", "operator": "is_empty"}] * 50_000}, "at most 250 rules", id="flat"
        ),
    ],
)
def test_a_condition_without_end_is_rejected_by_its_beginning(condition: object, message: str) -> None:
    """No part that was read is rejected for an unread part."""
    written = read_condition(condition, WORDS)
    assert _read(written) <= MAX_ITEMS_READ + 1
    with pytest.raises(InvalidInput) as refused:
        check_condition(written)
    assert len(refused.value.faults) <= MAX_FAULTS
    assert message in refused.value.faults[0].message


def test_a_rule_is_read_as_a_whole() -> None:
    """The limit falls between rules, never within one."""
    written = read_condition({"rules": [{"field": "email", "operator": "is_empty"}] * 50_000}, WORDS)
    assert isinstance(written, UncheckedGroup)
    assert all(isinstance(leaf, UncheckedRule) and not leaf.faults for leaf in written.items)


@pytest.mark.parametrize("words", [WORDS, TOPMAIL], ids=["misar", "topmail"])
def test_strict_names_the_attribute_instead_of_a_field_of_events(words: Words) -> None:
    """Both vendors take any name as an attribute, so strict says how one of this name is reached."""
    rule: dict[str, object] = {"field": "events.purchase.count", "operator": "equals", "value": 1}
    with pytest.raises(InvalidInput) as caught:
        check_condition(read_condition({"rules": [rule]}, words, strict=True))
    (fault,) = caught.value.faults
    attribute = f"{words.attribute_prefix}events.purchase.count"
    assert fault.path == ("rules", 0, "field")
    assert fault.message == (
        "Unknown field. `events.purchase.count` is a field of Diglot's own, which this server refuses; an "
        f"attribute of this name is written `{attribute}`"
    )
    named = {"rules": [rule | {"field": attribute}]}
    check_condition(read_condition(named, words, strict=True))
