"""The parts of the index of conditions: gates, masks, ranges, and the parts that texts contain."""

from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.caches import MemoBudget
from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index import set_masks
from diglot.conditions.index.gates import Gate, Layout, gate_of
from diglot.conditions.index.kinds.parts import PartFinder
from diglot.conditions.index.masks import join_bits, keep_mask, select_items, toggle_bits, weigh_mask
from diglot.conditions.index.matcher import Matcher
from diglot.conditions.index.questions import FoldedTexts, HasPart
from diglot.conditions.index.set_masks import SetMasks
from diglot.conditions.python_compiler import compile_to_python
from diglot.conditions.tree import Op
from support.reporting import SEED

UTC = ZoneInfo("UTC")
KEYS = [f"k{number}" for number in range(90)]


def is_set(key: str) -> tree.Predicate:
    """Return the predicate that a contact has an attribute."""
    return tree.Predicate(f"attributes.{key}", Op.IS_SET)


A, B, C = map(is_set, "abc")


def test_masks_hold_bits() -> None:
    """A mask lists the bits that it was made of, however many."""
    for bits in (
        [],
        [0],
        [3, 8, 1900],
        list(range(0, 1901, 100)),
        list(range(0, 1900, 25)),
        list(range(0, 1900, 3)),
    ):
        mask = join_bits([*bits, *bits], 1901)
        assert mask == sum(1 << bit for bit in bits)
        assert select_items(range(1901), mask) == bits
        for width in (1901, 1_000_000):
            kept = keep_mask(bits, width, MemoBudget(10**6))
            assert kept() == kept() == mask
        assert toggle_bits([*bits, *bits, 5], 1901) == 1 << 5
        assert weigh_mask(mask) >= len(bits) // 8


def test_an_or_is_a_gate_that_is_ruled_out() -> None:
    """Groups of one meaning are merged, and an OR is the complement of an AND of complements."""
    both = tree.All((A, tree.Not(tree.Any((B, tree.Not(C))))))
    gate, is_inverted = gate_of(both)
    assert ([*gate.required.values()], [*gate.forbidden.values()], gate.inner) == ([A, C], [B], [])
    assert not is_inverted
    gate, is_inverted = gate_of(tree.Any((A, tree.Not(B), tree.Any((C,)))))
    assert ([*gate.required.values()], [*gate.forbidden.values()], gate.inner) == ([B], [A, C], [])
    assert is_inverted
    assert gate_of(tree.Not(tree.DRAFT)) == (Gate(), False)


def evaluate(node: tree.Node, keys: set[str]) -> bool:
    """Return whether a contact with some attributes matches a condition on their presence."""
    if isinstance(node, tree.Predicate):
        return node.field.removeprefix("attributes.") in keys
    if isinstance(node, tree.Not):
        return not evaluate(node.item, keys)
    items = [evaluate(item, keys) for item in node.items]
    return bool(items) and (all(items) if isinstance(node, tree.All) else any(items))


def draw_tree(rng: Random, depth: int) -> tree.Node:
    """Return a random tree; a predicate may occur several times, empty groups within groups too."""
    if depth == 0 or rng.random() < 0.25:
        leaf = is_set(rng.choice(KEYS[:8]) if rng.random() < 0.7 else rng.choice(KEYS))
        return tree.Not(leaf) if rng.random() < 0.4 else leaf
    items = tuple(draw_tree(rng, depth - 1) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))))
    group = rng.choice((tree.All, tree.Any))(items)
    return tree.Not(group) if rng.random() < 0.2 else group


def test_random_trees_of_any_depth(pytestconfig: pytest.Config) -> None:
    """Gates within gates answer as the tree does, and so does every bit of the layout."""
    rng = Random(pytestconfig.stash[SEED])
    nodes = {number: draw_tree(rng, rng.randrange(9)) for number in range(600)}
    nodes = {number: node for number, node in nodes.items() if not tree.is_draft(node)}
    matcher, layout = Matcher(nodes, UTC), Layout(nodes)
    assert len(layout.levels) > 3
    assert layout.bits == {number: bit for bit, number in layout.numbers.items()}
    for _ in range(60):
        keys = {key for key in KEYS if rng.random() < 0.4}
        view = ContactView({}, dict.fromkeys(keys, "x"), (), UTC)
        expected = {number for number, node in nodes.items() if evaluate(node, keys)}
        assert set(matcher.numbers_in(matcher.members(view, 0))) == expected
        other = ContactView({}, dict.fromkeys(KEYS[:5], "x"), (), UTC)
        fields = {f"attributes.{key}" for key in keys ^ set(KEYS[:5])}
        entered, left = matcher.change(view, other, fields, 0)
        after = {number for number, node in nodes.items() if evaluate(node, set(KEYS[:5]))}
        assert set(matcher.numbers_in(entered)) == after - expected
        assert set(matcher.numbers_in(left)) == expected - after


def find_plainly(tests: list[HasPart], value: FoldedTexts) -> frozenset[int]:
    """Return the numbers of the tests that are true, each found by itself."""
    found = set()
    for number, (op, part, element) in enumerate(tests):
        if op is Op.CONTAINS and value.elements is not None:
            is_true = element in value.elements
        elif op is Op.CONTAINS:
            is_true = any(part in text for text in value.texts)
        else:
            starts = op is Op.STARTS_WITH
            is_true = any(text.startswith(part) if starts else text.endswith(part) for text in value.texts)
        if is_true:
            found.add(number)
    return frozenset(found)


@pytest.mark.parametrize("count", [1, 30, 400, 5_000])
def test_parts_are_found(pytestconfig: pytest.Config, count: int) -> None:
    """Few parts and many, short ones and long ones, are found where one search for each finds them."""
    rng = Random(pytestconfig.stash[SEED])

    def draw(longest: int) -> str:
        return "".join(rng.choices("abé", k=rng.randrange(longest)))

    tests = []
    for _ in range(count):
        part = draw(rng.choice((4, 8, 60)))
        tests.append(HasPart(rng.choice((Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH)), part, part))
    tests.append(HasPart(Op.CONTAINS, "a" * 40, "a" * 40))
    finder = PartFinder(tests)
    for text in ("", "a", "b" * 50, "a" * 45, *(draw(100) for _ in range(30))):
        for value in (
            FoldedTexts((text,)),
            FoldedTexts((text, "ab")),
            FoldedTexts((text, "ab"), (text, "ab")),
        ):
            assert finder.find(value) == find_plainly(tests, value)
    assert finder.find(FoldedTexts(())) == frozenset()


def test_hostile_conditions_agree() -> None:
    """Many literals of one gate on one field, numbers with one hash, and many keys are all exact."""

    def numbers(op: Op, step: int, count: int = 250) -> tuple[tree.Node, ...]:
        return tuple(tree.Predicate("attributes.n", op, tree.Number(step * n)) for n in range(count))

    def texts(op: Op, count: int = 250) -> tuple[tree.Node, ...]:
        return tuple(tree.Predicate("attributes.t", op, tree.Text("a" * n)) for n in range(1, count + 1))

    groups = [numbers(Op.GTE, 3), numbers(Op.LT, 7), numbers(Op.EQUALS, 2**61 - 1), texts(Op.CONTAINS)]
    groups += [texts(Op.EQUALS), texts(Op.STARTS_WITH, 5), (*numbers(Op.GT, 1, 3), *texts(Op.ENDS_WITH, 3))]
    nodes: dict[int, tree.Node] = {}
    for items in groups:
        negated = tuple(map(tree.Not, items))
        for part in (items, negated, (*items[:2], *negated[-2:]), (*items[-1:], *negated[:1])):
            nodes[len(nodes)] = tree.All(part)
            nodes[len(nodes)] = tree.Any(part)
    matcher, reference = Matcher(nodes, UTC), compile_to_python(nodes, UTC)
    for n in (None, 0, 1, 5, 747.0, 748, 10**6, 2 * (2**61 - 1), -1, "5", [0, 2**61 - 1], "x"):
        for text in (None, "a", "aaa", "a" * 250, "a" * 300, "b", ["a", "aa"], 5):
            view = ContactView({}, {"n": n, "t": text}, (), UTC)
            assert sorted(matcher.numbers_in(matcher.members(view, 0))) == reference(view, 0)


@pytest.mark.parametrize("few", [0, 32])
def test_gates_that_require_several_tests(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """A gate is released by the last of the tests that it requires, however many these are."""
    monkeypatch.setattr(set_masks, "_FEW_GATES", few)
    rng = Random(pytestconfig.stash[SEED])
    required = [rng.sample(range(12), rng.choice((0, 1, 1, 2, 2, 3, 4, 5, 7))) for _ in range(200)]
    forbidden = [rng.sample(range(12), rng.choice((0, 0, 1, 3))) for _ in range(200)]
    asked = [
        tuple([gate for gate, tests in enumerate(each) if test in tests] for each in (required, forbidden))
        for test in range(12)
    ]
    masks = SetMasks([(first, second) for first, second in asked], 200, MemoBudget(10**6))
    for _ in range(300):
        true = set(rng.sample(range(12), rng.randrange(13)))
        expected = [
            gate
            for gate in range(200)
            if not true.issuperset(required[gate]) or not true.isdisjoint(forbidden[gate])
        ]
        assert select_items(range(200), masks.ruled_out(true)) == expected
        one_by_one = [masks.effects_of([number]) for number in true]
        assert masks.combine(one_by_one) == masks.ruled_out(true)


def test_an_index_of_nothing_matches_nothing() -> None:
    """Without conditions, or with drafts alone, there is no member and no move."""
    view = ContactView({"status": "subscribed"}, {"a": 1}, (), UTC)
    for nodes in ({}, {1: tree.DRAFT}):
        matcher = Matcher(nodes, UTC)
        assert matcher.members(view, 0) == 0
        assert matcher.change(view, view, {"status"}, 0) == matcher.elapse(view, 0, 1) == (0, 0)
        assert matcher.numbers_in(matcher.mask_of([1, 2])) == []
