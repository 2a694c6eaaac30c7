"""What rules on `segments` name, where, and what takes their place."""

import pytest

from diglot.conditions import tree
from diglot.conditions.analysis.segment_references import (
    NOBODY,
    expand,
    find_reference_paths,
    referenced_ids,
    static_numbers,
)
from diglot.membership.references.graph import ReferenceGraph
from support import canonical

A, B, C = (f"0198b000-0000-7000-8000-00000000000{n}" for n in "abc")
VIP = {"field": "tags", "operator": "contains", "operand": "vip"}
RULES = {
    "all": [
        VIP,
        {"field": "segments", "operator": "equals", "operand": A.upper()},
        {"not": {"field": "segments", "operator": "in", "operand": [B, A]}},
    ]
}


def on(value: str) -> tree.Predicate:
    return tree.Predicate("segments", tree.Op.EQUALS, tree.Text(value))


def test_every_name_has_its_path() -> None:
    """In the order of the body, within negations and lists, and each id once in the condition."""
    assert list(find_reference_paths(canonical.written(RULES), ("conditions",))) == [
        (A, ("conditions", "all", 1, "operand")),
        (B, ("conditions", "all", 2, "not", "operand", 0)),
        (A, ("conditions", "all", 2, "not", "operand", 1)),
    ]
    assert referenced_ids(canonical.read(RULES)) == (A, B)


def test_meanings_take_the_place_of_rules() -> None:
    """Static segments of one rule stay one leaf."""
    vip = canonical.read(VIP)
    node = expand(canonical.read(RULES), {A: vip, B: 7})
    leaf = tree.Predicate("segments", tree.Op.IN, tree.Values((tree.Text("7"),)))
    assert node == tree.All((vip, vip, tree.Not(tree.Any((vip, leaf)))))
    assert static_numbers((node,)) == {7}
    several = canonical.read({"field": "segments", "operator": "in", "operand": [A, B, C]})
    expanded = expand(tree.Any((several,)), {A: 1, B: vip, C: 2})
    assert static_numbers((expanded,)) == {1, 2}
    assert expand(tree.Predicate("segments", tree.Op.IN, tree.Values(())), {}) == NOBODY


@pytest.mark.parametrize(("named", "chain"), [([4], [4, 2, 1]), ([5], None), ([1], [1]), ([5, 3], [3, 1])])
def test_a_chain_is_found(named: list[int], chain: list[int] | None) -> None:
    """A cycle would be the segment and this chain."""
    graph = ReferenceGraph({2: [1], 3: [1], 4: [2, 3]})
    assert graph.find_chain(1, named) == chain


def test_levels_and_heights() -> None:
    """Dependents come after what they reference."""
    graph = ReferenceGraph({4: [3, 2], 3: [1], 2: [3]})
    assert [graph.level_of(number) for number in (1, 2, 3, 4, 5)] == [1, 3, 2, 4, 1]
    assert [graph.height_of(number) for number in (1, 4)] == [4, 1]
    assert graph.all_dependents_of(1) == [3, 2, 4]
