"""Blocks of contacts: who enters and leaves by writes and by time, and what versions of conditions share.

`test_evaluators_agree` holds the matches of blocks to the rows of the spec and to the oracle.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from random import Random
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import tree
from diglot.conditions.bulk import blocks
from diglot.conditions.bulk.blocks import ContactBlock
from diglot.conditions.bulk.evaluator import BulkEvaluator, MaskChanges
from diglot.conditions.contact_view import ContactView
from diglot.conditions.dates import DAY
from diglot.conditions.fields import ATTRIBUTE_PREFIX, FIELDS
from diglot.conditions.index.masks import select_items
from diglot.conditions.python_compiler import compile_to_python
from support import canonical, populations, spec_data
from support import random_conditions as drawn
from support.reporting import SEED, Tally
from unit.conditions.test_python_compiler import ZONES, subject

UTC = ZoneInfo("UTC")
LISTS = spec_data.population().lists
NOW = populations.micros(drawn.NOW)
# Who enters and who leaves: pairs of contact and condition.
Pairs = tuple[set[tuple[int, int]], ...]
BATCH = 40
PEOPLE = 30


def evaluator_of(
    nodes: Mapping[int, tree.Node], zone: ZoneInfo = UTC, earlier: BulkEvaluator | None = None
) -> BulkEvaluator:
    """Return an evaluator that is ready."""
    evaluator = BulkEvaluator(nodes, zone, earlier)
    evaluator.reduce()
    return evaluator


def rule(field: str, operator: str, operand: Any) -> tree.Node:
    """Return a condition of one rule."""
    return canonical.read({"field": field, "operator": operator, "operand": operand})


def random_nodes(rng: Random, zone: str) -> dict[int, tree.Node]:
    """Return random conditions."""
    conditions = islice(iter(lambda: drawn.condition(rng, tuple(LISTS.values())), None), BATCH)
    return {number: canonical.read(one, zone) for number, one in enumerate(conditions)}


def listed(changes: MaskChanges, count: int) -> Pairs:
    """Return who enters and who leaves, as pairs of contact and condition."""
    return tuple(
        {(place, number) for number, mask in masks.items() for place in select_items(range(count), mask)}
        for masks in changes
    )


def differences(
    old: Sequence[Sequence[int]], new: Sequence[Sequence[int]]
) -> tuple[set[tuple[int, int]], ...]:
    """Return who enters and who leaves, given what each contact matches before and after."""
    before, after = (
        {(place, number) for place, numbers in enumerate(side) for number in numbers} for side in (old, new)
    )
    return after - before, before - after


def with_some_fields(old: ContactView, other: ContactView, fields: frozenset[str]) -> ContactView:
    """Return a contact that has some of its fields from another one."""
    core = {name: (other if name in fields else old).fields[name] for name in old.fields}
    attributes = dict(old.attributes)
    for name in fields:
        if name.startswith(ATTRIBUTE_PREFIX):
            key = name.removeprefix(ATTRIBUTE_PREFIX)
            attributes.pop(key, None)
            attributes |= {key: other.attributes[key]} if key in other.attributes else {}
    lists = other.lists if "lists" in fields else old.lists
    return ContactView(core, attributes, lists, old.zone)


def test_random_changes_agree(pytestconfig: pytest.Config, tally: Tally) -> None:
    """By changes of random fields the same contacts enter and leave as by the compiled function."""
    rng = Random(seed := pytestconfig.stash[SEED])
    for _ in range(0, pytestconfig.getoption("random_trees"), BATCH):
        zone = rng.choice(ZONES)
        nodes = random_nodes(rng, zone)
        evaluate = compile_to_python(nodes, ZoneInfo(zone))
        old, others = (
            [subject(drawn.contact(rng, number), zone, LISTS) for number in range(PEOPLE)] for _ in range(2)
        )
        fields = frozenset(rng.sample([*FIELDS, *(ATTRIBUTE_PREFIX + key for key in drawn.KEYS)], 6))
        fields |= {"subscribed"} if "status" in fields else set()
        fields |= {"email_as_sent"} if "email" in fields else set()
        new = [with_some_fields(*pair, fields) for pair in zip(old, others, strict=True)]
        expected = differences([evaluate(one, NOW) for one in old], [evaluate(one, NOW) for one in new])
        found = evaluator_of(nodes, ZoneInfo(zone)).compare_writes((old, new), fields, NOW)
        assert listed(found, PEOPLE) == expected, f"--random-seed {seed}"
        tally("random pairs of condition and changed contact", "bulk", len(nodes) * len(old))


def test_random_times_agree(pytestconfig: pytest.Config, tally: Tally) -> None:
    """Between two instants the same contacts enter and leave as by the compiled function."""
    rng = Random(seed := pytestconfig.stash[SEED])
    for _ in range(0, pytestconfig.getoption("random_trees"), BATCH):
        zone = rng.choice(ZONES)
        nodes = random_nodes(rng, zone)
        evaluate = compile_to_python(nodes, ZoneInfo(zone))
        views = [subject(drawn.contact(rng, number), zone, LISTS) for number in range(PEOPLE)]
        until = NOW + rng.choice((1, 1_000_000, DAY, 30 * DAY))
        numbers = frozenset(rng.sample(sorted(nodes), BATCH // 2))
        sides = ([set(evaluate(one, at)) & numbers for one in views] for at in (NOW, until))
        expected = differences(*([sorted(one) for one in side] for side in sides))
        found = evaluator_of(nodes, ZoneInfo(zone)).compare_instants(views, NOW, until, numbers)
        assert listed(found, PEOPLE) == expected, f"--random-seed {seed}"
        tally("random pairs of condition and contact at two instants", "bulk", len(numbers) * len(views))


def test_a_contact_that_does_not_exist_matches_nothing() -> None:
    """Its bit is in no mask, and a block without contacts has none."""
    nodes = {1: rule("attributes.x", "equals", 5), 2: tree.Not(rule("attributes.x", "equals", 5))}
    evaluator = evaluator_of(nodes)
    views = [None, ContactView({}, {"x": 5}, (), UTC), None, ContactView({}, {}, (), UTC)]
    assert evaluator.match(ContactBlock(views), 0, nodes) == {1: 0b0010, 2: 0b1000}
    assert evaluator.match(ContactBlock([None]), 0, nodes) == {}


def test_more_attributes_than_are_looked_up_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attributes of many rules are found among those that contacts have."""
    monkeypatch.setattr(blocks, "_FEW_KEYS", 2)
    values: list[Any] = [5, 5, "x", 5.0, [5], True, None]
    views = [ContactView({}, {f"k{n % 3}": value}, (), UTC) for n, value in enumerate(values)]
    nodes = {n: rule(f"attributes.k{n}", "equals", 5) for n in range(8)}
    evaluate = compile_to_python(nodes, UTC)
    masks = evaluator_of(nodes).match(ContactBlock(views), 0, nodes)
    assert [[n for n in nodes if masks.get(n, 0) >> place & 1] for place in range(len(views))] == [
        evaluate(view, 0) for view in views
    ]


def test_an_empty_group_matches_nobody_and_its_negation_everybody() -> None:
    """So does the compiled function, though conditions have no empty group below their root."""
    some = rule("attributes.x", "is_set", None)
    nodes: dict[int, tree.Node] = {
        1: tree.DRAFT,
        2: tree.Not(tree.DRAFT),
        3: tree.All((some, tree.Any(()))),
        4: tree.Any((some, tree.Not(tree.Any(())))),
    }
    views = [ContactView({}, {"x": 5}, (), UTC), ContactView({}, {}, (), UTC)]
    masks = evaluator_of(nodes).match(ContactBlock(views), 0, nodes)
    assert masks == {2: 0b11, 4: 0b11}
    assert [compile_to_python(nodes, UTC)(view, 0) for view in views] == [[2, 4]] * 2


def test_a_later_version_reduces_what_changed() -> None:
    """Conditions of identical objects keep what they were reduced to; others and another zone do not."""
    nodes = {number: rule("attributes.x", "equals", number) for number in range(5)}
    first = evaluator_of(nodes)
    changed = {**nodes, 1: rule("attributes.x", "equals", 7), 9: rule("company", "contains", "a")}
    del changed[3]
    second = BulkEvaluator(changed, UTC, first)
    assert set(second.unreduced) == {1, 9}
    third = BulkEvaluator({**changed, 10: nodes[3]}, UTC, second)
    assert set(third.unreduced) == {1, 9, 10}
    for later in (second, third):
        later.reduce()
        assert not later.unreduced
        assert later.groups.keys() == later.nodes.keys()
        assert later.groups[0] is first.groups[0]
    view = ContactView({"company": "Ada"}, {"x": 7}, (), UTC)
    assert second.match(ContactBlock([view]), 0, changed) == {1: 1, 9: 1}
    assert third.match(ContactBlock([view]), 0, third.nodes) == {1: 1, 9: 1}
    assert first.match(ContactBlock([view]), 0, nodes) == {}
    assert len(BulkEvaluator(changed, ZoneInfo("Asia/Kolkata"), first).unreduced) == len(changed)


def test_a_table_does_not_grow_forever() -> None:
    """After many versions a table is begun anew, so that what nobody uses is forgotten."""
    evaluator = evaluator_of({})
    for number in range(300):
        evaluator = evaluator_of({0: rule("attributes.x", "equals", number)}, UTC, evaluator)
    assert len(evaluator.table.readings) < 150
    assert evaluator.match(ContactBlock([ContactView({}, {"x": 299}, (), UTC)]), 0, [0]) == {0: 1}


def test_more_predicates_need_more_contacts_to_pay_off() -> None:
    """A block has a price for each distinct predicate, and shared ones count once."""
    few = evaluator_of({number: rule("attributes.x", "equals", number % 10) for number in range(900)})
    assert [few.pays_off(contacts, 50) for contacts in (49, 50)] == [False, True]
    many = evaluator_of({number: rule("attributes.x", "equals", number) for number in range(7_500)})
    assert [many.pays_off(contacts, 50) for contacts in (99, 100)] == [False, True]


def test_threads_evaluate_while_another_version_is_reduced() -> None:
    """A version that adds to the table of an earlier one leaves its answers alone."""
    nodes = {number: rule(f"attributes.x{number % 7}", "equals", number) for number in range(200)}
    evaluator = evaluator_of(nodes)
    views = [ContactView({}, {f"x{number % 7}": number}, (), UTC) for number in range(200)]
    expected = {number: 1 << number for number in nodes}
    found: list[bool] = []

    def evaluate() -> None:
        found.extend(evaluator.match(ContactBlock(views), 0, nodes) == expected for _ in range(20))

    threads = [Thread(target=evaluate) for _ in range(3)]
    for thread in threads:
        thread.start()
    later = evaluator
    for number in range(200, 290):
        more = {**later.nodes, number: rule(f"attributes.y{number}", "gte", number)}
        later = evaluator_of(more, UTC, later)
    for thread in threads:
        thread.join()
    assert found == [True] * 60


@pytest.mark.parametrize("mask", [0, 1, 0b10110, (1 << 300) - 1, 1 << 299, 0b1010101010101 << 40])
def test_the_items_of_a_mask(mask: int) -> None:
    """The items at the places of its bits, in order."""
    items = [f"item {place}" for place in range(300)]
    assert select_items(items, mask) == [item for place, item in enumerate(items) if mask >> place & 1]
