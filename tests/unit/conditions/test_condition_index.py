"""The index has the members of the rows of the spec, and the results of the compiled function elsewhere."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.contact_view import ContactView
from diglot.conditions.dates import DAY
from diglot.conditions.index import beside, condition_index, set_masks
from diglot.conditions.index.condition_index import MAX_LAYERS, RULES_AT_ONCE, ConditionIndex, Selection
from diglot.conditions.index.kinds import spans
from diglot.conditions.index.matcher import Matcher
from diglot.conditions.python_compiler import compile_to_python
from diglot.model.contact_views import Surroundings, changed_fields, views_before_and_after
from diglot.model.contacts import Contact
from support import canonical, populations, spec_data
from support import random_conditions as drawn
from support.reporting import SEED, Tally
from unit.conditions.test_python_compiler import PEOPLE, ROWS, ZONES, population

UTC = ZoneInfo("UTC")
BATCH = 50
CHANGED_FIELDS = (
    *("email", "email_as_sent", "status", "tags", "engagement_score", "total_orders", "attributes"),
    *("last_opened_at", "company", "first_name", "created_at", "lead_score"),
)


def members(selection: Selection, number: int, now: datetime, zone: str) -> frozenset[str]:
    """Return the contacts that match a condition."""
    instant = populations.micros(now)
    return frozenset(
        name for name, one in population(zone).items() if number in selection.members(one, instant)
    )


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}: {row.name}")
def test_a_row_holds(row: spec_data.Row, tally: Tally) -> None:
    """The members of a row are exactly the matches of the index; its negation matches all others."""
    node = lower_condition(canonical.read(row.condition, row.zone))
    selection = ConditionIndex({7: node, 8: tree.Not(node)}, ZoneInfo(row.zone)).build()
    assert members(selection, 7, row.now, row.zone) == row.members
    if not tree.is_draft(node):
        assert members(selection, 8, row.now, row.zone) == frozenset(PEOPLE.contacts) - row.members
    tally("rows of the spec", "the index of conditions", 1)


@pytest.mark.parametrize("zone", sorted({row.zone for row in ROWS}))
def test_all_rows_hold_in_one_index(zone: str) -> None:
    """Conditions that share an index do not affect each other."""
    rows = {number: row for number, row in enumerate(ROWS) if row.zone == zone}
    nodes = {number: lower_condition(canonical.read(row.condition, zone)) for number, row in rows.items()}
    selection = ConditionIndex(nodes, ZoneInfo(zone)).build()
    for now in {row.now for row in rows.values()}:
        results = {
            name: set(selection.members(one, populations.micros(now)))
            for name, one in population(zone).items()
        }
        for number, row in rows.items():
            if row.now == now:
                assert {name for name, met in results.items() if number in met} == row.members, row.name


def draw_nodes(rng: Random, zone: str, count: int = BATCH) -> dict[int, tree.Node]:
    """Return random conditions; some are groups of others, so that predicates and shapes repeat."""
    ids = tuple(PEOPLE.lists.values())
    conditions = islice(iter(lambda: drawn.condition(rng, ids), None), count)
    nodes = {number: canonical.read(one, zone) for number, one in enumerate(conditions)}
    for number in range(0, count, 3):
        parts = tuple(nodes[rng.randrange(count)] for _ in range(rng.randrange(1, 4)))
        group = rng.choice((tree.All, tree.Any))(tuple(part for part in parts if not tree.is_draft(part)))
        nodes[number] = tree.Not(group) if rng.random() < 0.3 else group
    return nodes


def change_contact(rng: Random, contact: Contact, other: Contact) -> Contact:
    """Return a contact with some fields of another."""
    fields = rng.sample(CHANGED_FIELDS, rng.choice((1, 1, 1, 2, 5)))
    return msgspec.structs.replace(contact, **{name: getattr(other, name) for name in fields})


def assert_equal(nodes: Mapping[int, tree.Node], selection: Selection, rng: Random, zone: ZoneInfo) -> int:
    """Compare an index with the compiled function for a random contact, change and passage of time."""
    evaluate = compile_to_python(nodes, zone)
    now = populations.micros(drawn.NOW)
    contact, other = (populations.contact(drawn.contact(rng, 0), 0) for _ in range(2))
    changed = change_contact(rng, contact, other)
    around = Surroundings(tuple(PEOPLE.lists.values())[:2])
    old, new = views_before_and_after(contact, changed, (around, around), zone)
    assert old is not None
    assert new is not None
    before, after = set(evaluate(old, now)), set(evaluate(new, now))
    assert set(selection.members(old, now)) == before
    entered, left = selection.change(old, new, changed_fields(contact, changed), now)
    assert (set(entered), set(left)) == (after - before, before - after)
    assert (len(entered), len(left)) == (len(set(entered)), len(set(left)))
    later = now + rng.choice((1, 1_000_000, 3_600_000_000, DAY, 30 * DAY, 365 * DAY))
    at_end = set(evaluate(old, later))
    assert tuple(map(set, selection.elapse(old, now, later))) == (at_end - before, before - at_end)
    return 3 * len(nodes)


def draw_batches(config: pytest.Config, rng: Random) -> Iterator[ZoneInfo]:
    """Yield a time zone for each batch of random conditions."""
    for _ in range(0, config.getoption("random_trees"), BATCH):
        yield ZoneInfo(rng.choice(ZONES))


def test_random_conditions_and_changes_agree(pytestconfig: pytest.Config, tally: Tally) -> None:
    """The index finds the members, the moves of a write, and the moves of time that the function finds."""
    seed = pytestconfig.stash[SEED]
    rng = Random(seed)
    pairs = 0
    for zone in draw_batches(pytestconfig, rng):
        nodes = draw_nodes(rng, zone.key)
        selection = ConditionIndex(nodes, zone).build()
        for _ in range(pytestconfig.getoption("random_contacts")):
            pairs += assert_equal(nodes, selection, rng, zone)
    tally("random pairs of condition and contact", "the index of conditions", pairs)


@pytest.mark.parametrize("most", [0, 2, 32])
def test_an_event_asks_for_the_dates_beside_it(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, most: int
) -> None:
    """A change of one instant moves what the function says, with few and with many dates beside it."""
    monkeypatch.setattr(beside, "_MOST_BESIDE", most)
    rng, now = Random(pytestconfig.stash[SEED]), populations.micros(drawn.NOW)
    fields = [f"events.name {number}.last_at" for number in range(12)]

    def draw_rule() -> dict[str, Any]:
        return {"field": rng.choice(fields), "operator": "in_last_days", "operand": rng.randrange(1, 9)}

    def draw_group() -> dict[str, Any]:
        inner = {rng.choice(("all", "any")): [draw_rule(), draw_rule()]}
        return {rng.choice(("all", "any")): [draw_rule(), rng.choice((inner, draw_rule()))]}

    nodes = {number: canonical.read(draw_group()) for number in range(60)}
    selection, evaluate = ConditionIndex(nodes, UTC).build(), compile_to_python(nodes, UTC)
    contact = populations.contact(drawn.contact(rng, 0), 0)
    for _ in range(50):
        events = {field: now - rng.randrange(10 * DAY) for field in rng.sample(fields, 8)}
        changed = rng.choice(fields)
        sides = Surroundings(events=events), Surroundings(events={**events, changed: now})
        old, new = views_before_and_after(contact, contact, sides, UTC)
        assert old is not None
        assert new is not None
        before, after = set(evaluate(old, now)), set(evaluate(new, now))
        entered, left = selection.change(old, new, (changed,), now)
        assert (set(entered), set(left)) == (after - before, before - after)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_large_index_keeps_few_masks(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, kept: int
) -> None:
    """Masks that are not kept are made from the nearest one, and remembered within the bytes for that."""
    monkeypatch.setattr(spans, "_KEPT_BYTES_OF_A_USE", kept)
    monkeypatch.setattr(set_masks, "_FEW_GATES", 0)
    rng = Random(pytestconfig.stash[SEED])
    zone = ZoneInfo(rng.choice(ZONES))
    nodes = draw_nodes(rng, zone.key, 300)
    matcher = Matcher(nodes, zone)
    for _ in range(10):
        assert_equal(nodes, Selection([(matcher, matcher.all)]), rng, zone)
    assert 0 < matcher.budget.spent <= matcher.budget.max_bytes


def test_conditions_come_and_go(pytestconfig: pytest.Config) -> None:
    """After any additions, changes and removals the index answers for exactly the present conditions."""
    rng = Random(pytestconfig.stash[SEED])
    pool = list(draw_nodes(rng, "UTC", 3 * BATCH).values())
    nodes = dict(enumerate(pool[:BATCH]))
    index = ConditionIndex(nodes, UTC)
    index.build()
    for step in range(30):
        nodes = {number: node for number, node in nodes.items() if rng.random() > 0.05}
        nodes |= {rng.randrange(3 * BATCH): rng.choice(pool) for _ in range(rng.choice((0, 1, 5, 20)))}
        index = ConditionIndex(nodes, UTC, index)
        if step % 3 == 0:
            index.settle()
        assert_equal(nodes, index.build(), rng, UTC)
        some = {number: node for number, node in nodes.items() if number % 3}
        assert_equal(some, index.build().narrow(some), rng, UTC)


def rule(key: str, operand: object = "x", operator: str = "contains") -> tree.Node:
    """Return a rule on an attribute."""
    written = {"field": f"attributes.{key}", "operator": operator, "operand": operand}
    return canonical.read(written, "UTC")


def wide_condition(segment: int, rules: int) -> tree.Node:
    """Return a condition of many rules on attributes that no other condition uses."""
    return tree.Any(tuple(rule(f"s{segment}_{n}") for n in range(rules)))


def met(selection: Selection, **attributes: object) -> list[int]:
    """Return the conditions that a contact with some attributes matches."""
    return sorted(selection.members(ContactView({}, attributes, (), UTC), 0))


class Indexed:
    """A record of the conditions that each index was made of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.numbers: list[tuple[int, ...]] = []
        monkeypatch.setattr(condition_index, "Matcher", self.note)

    def note(self, nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> Matcher:
        """Make an index, and record what it was made of."""
        self.numbers.append(tuple(nodes))
        return Matcher(nodes, zone)

    def take(self) -> list[tuple[int, ...]]:
        """Return what was indexed since the last call."""
        taken, self.numbers = self.numbers, []
        return taken


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> Indexed:
    """Record what is indexed."""
    return Indexed(monkeypatch)


def test_an_added_condition_costs_its_own_rules(indexed: Indexed) -> None:
    """Only the conditions added since are indexed, and removed ones no longer match."""
    nodes = {number: wide_condition(number, 3) for number in range(100)}
    first = ConditionIndex(nodes, UTC)
    assert first.find() is None, "so many rules take another thread"
    assert not first.is_settled
    first.build()
    assert first.is_settled
    assert indexed.take() == [tuple(range(100))]
    changed = nodes | {200: wide_condition(200, 3), 8: rule("new")}
    del changed[7]
    second = ConditionIndex(changed, UTC, first)
    found = second.find()
    assert found is not None
    assert indexed.take() == [(8, 200)]
    assert met(found, s7_1="x", s8_1="x", s9_1="x", s200_2="x", new="x") == [8, 9, 200]
    assert second.find() is found
    third = ConditionIndex(changed | {201: rule("newer")}, UTC, second)
    assert third.find() is not None
    assert indexed.take() == [(8, 200, 201)], "small indexes become one with what is added"
    assert ConditionIndex(third.nodes, UTC, third).find() is not None
    assert indexed.take() == []
    elsewhere = ConditionIndex(changed, ZoneInfo("Asia/Kolkata"), second)
    assert elsewhere.find() is None, "dates have another meaning there"


def test_a_write_never_indexes_more_than_was_added(indexed: Indexed) -> None:
    """However many conditions were added before, the next one costs its own rules; layers merge ahead."""
    wide = RULES_AT_ONCE + 1
    index = ConditionIndex({0: wide_condition(0, wide)}, UTC)
    index.build()
    for number in range(1, MAX_LAYERS):
        index = ConditionIndex({**index.nodes, number: wide_condition(number, wide)}, UTC, index)
        index.build()
    assert index.is_settled
    indexed.take()
    full = ConditionIndex({**index.nodes, MAX_LAYERS: wide_condition(MAX_LAYERS, wide)}, UTC, index)
    full.build()
    assert indexed.take() == [(MAX_LAYERS,)]
    assert not full.is_settled
    full.settle()
    assert full.is_settled
    assert indexed.take() == [tuple(full.nodes)], "layers of equal size become one"
    full.settle()
    more = full
    for number in range(100, 100 + MAX_LAYERS):
        more = ConditionIndex({**more.nodes, number: wide_condition(number, wide // 3)}, UTC, more)
        more.build()
    indexed.take()
    more.settle()
    assert indexed.take() == [], "a few small layers stay beside a large one"
    assert met(more.build(), s3_1="x", s104_0="x") == [3, 104]


def test_merges_that_nobody_makes_ahead_are_made_in_the_end(indexed: Indexed) -> None:
    """Nobody indexes a small workspace ahead, so its layers are bounded too."""
    index = ConditionIndex({}, UTC)
    wide = RULES_AT_ONCE + 1
    for number in range(2 * MAX_LAYERS):
        index = ConditionIndex({**index.nodes, number: wide_condition(number, wide)}, UTC, index)
        index.build()
    indexed.take()
    index = ConditionIndex({**index.nodes, 99: wide_condition(99, wide)}, UTC, index)
    assert met(index.build(), s99_5="x", s0_5="x") == [0, 99]
    assert indexed.take() == [(99,), tuple(index.nodes)]


def test_removed_conditions_are_forgotten_ahead(indexed: Indexed) -> None:
    """A quarter of removed conditions is indexed anew, a layer of nothing else is dropped."""
    nodes = {number: wide_condition(number, 3) for number in range(100)}
    first = ConditionIndex(nodes, UTC)
    first.build()
    few = ConditionIndex({number: nodes[number] for number in range(81)}, UTC, first)
    assert few.is_settled
    fewer = ConditionIndex({number: nodes[number] for number in range(74)}, UTC, first)
    assert not fewer.is_settled
    indexed.take()
    found = fewer.find()
    assert found is not None
    assert indexed.take() == [], "a write masks them out"
    assert met(found, s73_0="x", s74_0="x") == [73]
    fewer.settle()
    assert fewer.is_settled
    assert indexed.take() == [tuple(fewer.nodes)]
    assert met(fewer.build(), s73_0="x", s74_0="x") == [73]
    none = ConditionIndex({}, UTC, fewer)
    assert none.is_settled
    assert met(none.build(), s73_0="x") == []


def test_a_wide_addition_is_left_to_another_thread(indexed: Indexed) -> None:
    """One condition of many rules is indexed apart, but not at once."""
    nodes = {number: wide_condition(number, 3) for number in range(100)}
    first = ConditionIndex(nodes, UTC)
    first.build()
    indexed.take()
    second = ConditionIndex(nodes | {100: wide_condition(100, 250)}, UTC, first)
    assert second.find() is None
    assert met(second.build(), s100_249="x", s1_1="x") == [1, 100]
    assert indexed.take() == [(100,)]


def test_equal_operands_of_different_types_are_distinct() -> None:
    """What was indexed is reused only for the same condition object: 1 and true are equal in Python."""
    nodes = {1: rule("n", 1, "equals"), 2: rule("n", 1.5, "equals")}
    first = ConditionIndex(nodes, UTC)
    assert met(first.build(), n=1) == [1]
    second = ConditionIndex(nodes | {1: rule("n", True, "equals")}, UTC, first)
    assert met(second.build(), n=1) == []
    assert met(second.build(), n=True) == [1]


def test_threads_index_conditions_once(indexed: Indexed) -> None:
    """Threads that need the same index wait for one of them."""
    index = ConditionIndex({number: wide_condition(number, 100) for number in range(6)}, UTC)
    start = threading.Barrier(4)

    def work(_: int) -> list[int]:
        start.wait()
        return met(index.build(), s3_1="x")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[3]] * 4
    assert indexed.numbers == [tuple(range(6))]


def test_a_contact_comes_and_goes() -> None:
    """A created contact enters what it matches, a deleted one leaves it."""
    selection = ConditionIndex({1: rule("a"), 2: tree.Not(rule("a")), 3: tree.DRAFT}, UTC).build()
    view = ContactView({}, {"a": "x"}, (), UTC)
    assert selection.change(None, view, (), 0) == ([1], [])
    assert selection.change(view, None, (), 0) == ([], [1])
    assert selection.members(None, 0) == []
    assert selection.narrow([2, 3, 4]).members(view, 0) == []
