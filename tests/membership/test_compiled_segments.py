"""Compiled functions hold a bounded number of rules, and each is compiled once, off the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import combinations, pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.caches import ProcessCache
from diglot.conditions import check, evaluators, explain, tree
from diglot.conditions.bulk.evaluator import BulkEvaluator
from diglot.conditions.contact_view import ContactView
from diglot.conditions.evaluators import MAX_DISTINCT_RULES, MAX_RULES, Evaluators, divide
from diglot.conditions.python_compiler import MatchFunction, compile_to_python
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.compile_ahead import compile_ahead
from diglot.membership.writer import tick
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import Workspaces, get_or_create_workspace
from diglot.service.audience.explain import Explanations
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.contacts.contacts import Contacts
from diglot.storage.sql.engine import Engine, NestedEngine, Transaction
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction, run_without_suspending
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.tenant import bind_workspace
from support import canonical
from support.membership.random_world import NOW

UTC = ZoneInfo("UTC")
SEGMENTS = 20
RULES = 250


class Compiled:
    """A record of compilations: the rules of each function, its conditions, and the threads.

    Threads that reduce conditions for blocks of contacts are recorded, too.
    """

    def __init__(self) -> None:
        self.rules: list[int] = []
        self.numbers: list[tuple[int, ...]] = []
        self.threads: set[int] = set()

    def note(self, nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchFunction:
        """Compile conditions, and record the compilation."""
        self.rules.append(sum(len(list(tree.predicates_of(node))) for node in nodes.values()))
        self.numbers.append(tuple(nodes))
        self.threads.add(threading.get_ident())
        return compile_to_python(nodes, zone)

    def take(self) -> list[tuple[int, ...]]:
        """Return the conditions compiled since the last call, by function."""
        taken, self.numbers = self.numbers, []
        return taken


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """Record all compilations."""
    result = Compiled()
    monkeypatch.setattr(evaluators, "compile_to_python", result.note)
    reduce = BulkEvaluator.reduce

    def note(evaluator: BulkEvaluator) -> None:
        result.threads.add(threading.get_ident())
        reduce(evaluator)

    monkeypatch.setattr(BulkEvaluator, "reduce", note)
    monkeypatch.setattr(explain, "compile_to_python", result.note)
    return result


def rule(key: str, operand: str = "x") -> dict[str, object]:
    """Return a rule on an attribute."""
    return {"field": f"attributes.{key}", "operator": "contains", "operand": operand}


def wide_condition(segment: int, rules: int = RULES) -> tree.Node:
    """Return a condition of many rules on attributes that no other condition uses."""
    return canonical.read({"any": [rule(f"s{segment}_{n}") for n in range(rules)]}, "UTC")


def new_segment(node: tree.Node) -> NewSegment:
    """Return the input for a new segment."""
    return NewSegment("wide", Condition(node, OriginalText("canonical", "{}")))


async def caller_of(engine: Engine) -> Caller:
    """Create a workspace and return a caller in it."""
    workspace = await engine.write(partial(get_or_create_workspace, name="one", time_zone="UTC", now=NOW))
    return Caller(workspace.number, UTC, "key", frozenset())


async def test_a_large_workspace_keeps_the_event_loop_free(engine: Engine, compiled: Compiled) -> None:
    """Twenty segments of 250 rules: each function has some hundreds at most, none compiles on the loop."""
    caller, here = await caller_of(engine), threading.get_ident()
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments, contacts = Segments(engine, clock), Contacts(engine, clock)
    created = [
        await segments.create(caller, new_segment(wide_condition(number))) for number in range(SEGMENTS)
    ]
    stored = await contacts.create(caller, ContactChange({"email": "one@example.com"}, {"s7_249": "ax"}))
    counts = [(await segments.get_with_count(caller, item.id)).count for item in created]
    assert counts == [int(number == 7) for number in range(SEGMENTS)]
    await contacts.update(caller, stored.id, ContactChange({}, {"s7_249": "a", "s8_0": "x"}))
    counts = [(await segments.get_with_count(caller, item.id)).count for item in created]
    assert counts == [int(number == 8) for number in range(SEGMENTS)]
    assert sum(compiled.rules) >= SEGMENTS * RULES
    assert max(compiled.rules) <= MAX_DISTINCT_RULES < 1_000
    assert here not in compiled.threads


async def test_a_large_workspace_is_compiled_before_its_writes(engine: Engine, compiled: Compiled) -> None:
    """Parallel writes wait for one compilation, which none of them does while it holds the lock."""
    caller = await caller_of(engine)
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments, contacts = Segments(engine, clock), Contacts(engine, clock)
    await compile_ahead(engine, caller.workspace)
    await contacts.create(caller, ContactChange({"email": "before@example.com"}))
    assert compiled.take() == []
    created = [await segments.create(caller, new_segment(wide_condition(number))) for number in range(6)]
    await asyncio.gather(*(compile_ahead(engine, caller.workspace) for _ in range(5)))
    assert compiled.take() == [], "so few rules are compiled by the write"
    created += [await segments.create(caller, new_segment(wide_condition(number))) for number in range(6, 9)]
    await asyncio.gather(*(compile_ahead(engine, caller.workspace) for _ in range(5)))
    assert compiled.take() == [(item.number,) for item in created]
    await contacts.create(caller, ContactChange({"email": "after@example.com"}))
    assert compiled.take() == []
    created.append(await segments.create(caller, new_segment(wide_condition(9))))
    await contacts.create(caller, ContactChange({"email": "later@example.com"}))
    assert compiled.take() == [(created[-1].number,)], "more than the last segment was left to the write"


def test_another_version_indexes_what_changed() -> None:
    """The fields and relative dates of changed conditions are replaced, those of others stay."""
    days = {"field": "attributes.day", "operator": "in_last_days", "operand": 1}
    first: dict[int, dict[str, object]] = {
        1: rule("a"),
        2: {"all": [rule("a"), rule("b")]},
        3: days,
        4: rule("c"),
        6: rule("gone"),
    }
    nodes = {number: canonical.read(written, "UTC") for number, written in first.items()}
    known = ActiveSegments(1, UTC, conditions=nodes)
    assert known.by_field["attributes.a"] == (1, 2)
    assert [date.field for date in known.by_relative_date] == ["attributes.day"]
    changed = {number: nodes[number] for number in (1, 4)}
    changed |= {2: canonical.read(rule("b"), "UTC"), 5: canonical.read({"any": [days, rule("c")]}, "UTC")}
    later = ActiveSegments(2, UTC, conditions=changed, earlier=known)
    assert {"by_field", "by_relative_date"} <= later.__dict__.keys(), "they were built anew"
    fresh = ActiveSegments(2, UTC, conditions=changed)
    assert later.by_field == fresh.by_field
    assert later.by_relative_date == fresh.by_relative_date
    assert later.dates_of_field.keys() == {"attributes.day"}


async def test_nothing_is_compiled_on_the_event_loop(engine: Engine, compiled: Compiled) -> None:
    """Imports, time, changes of time zone, verification and explanations all compile on another thread."""
    caller, here = await caller_of(engine), threading.get_ident()
    now = [NOW]
    segments, contacts = Segments(engine, lambda: now[0]), Contacts(engine, lambda: now[0])
    days = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}
    created = [await segments.create(caller, new_segment(canonical.read(days, "UTC"))) for _ in range(25)]
    opened = [ContactChange({"email": f"{n}@example.com", "last_opened_at": NOW}) for n in range(3)]

    async def compiles(step: Callable[[], object]) -> None:
        compiled.threads.clear()
        await segments.create(caller, new_segment(wide_condition(len(created), 3)))
        await step()  # type: ignore[misc]
        assert compiled.threads, "nothing was compiled"
        assert here not in compiled.threads

    await compiles(lambda: contacts.import_all(caller, opened))
    now[0] += 2 * 86_400_000_000
    await compiles(
        lambda: engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, now[0])))
    )
    await compiles(lambda: Workspaces(engine).set_time_zone("one", "America/New_York"))
    explanations = Explanations(engine, lambda: now[0])
    await compiles(lambda: explanations.explain(caller, created[0].id, "0@example.com"))

    async def inside(transaction: Transaction) -> None:
        explanation = Explanations(NestedEngine(transaction), lambda: now[0])
        await explanation.explain(caller, created[0].id, "0@example.com")

    await compiles(lambda: engine.write(inside))


async def test_a_changed_segment_leaves_other_functions(engine: Engine, compiled: Compiled) -> None:
    """Only the function that holds the condition is compiled again; a static segment changes none."""
    caller = await caller_of(engine)
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments, contacts = Segments(engine, clock), Contacts(engine, clock)
    people = iter(range(100))

    async def again() -> list[tuple[int, ...]]:
        compiled.take()
        await contacts.create(caller, ContactChange({"email": f"{next(people)}@example.com"}))
        return compiled.take()

    created = [await segments.create(caller, new_segment(wide_condition(number, 130))) for number in range(8)]
    numbers = [item.number for item in created]
    first = [tuple(numbers[at : at + 3]) for at in (0, 3, 6)]
    assert await again() == first
    assert await again() == []
    created.append(await segments.create(caller, new_segment(wide_condition(8, 130))))
    assert await again() == [(*first[2], created[8].number)]
    changed = Condition(wide_condition(1, 129), OriginalText("canonical", "{}"))
    await segments.update(caller, created[1].id, SegmentChange(condition=changed))
    assert await again() == [first[0]]
    await segments.delete(caller, created.pop(3).id)
    assert await again() == [first[1][1:]]
    await segments.create(caller, NewSegment("static", created[0].condition, type=SegmentType.STATIC))
    assert await again() == []
    await Workspaces(engine).set_time_zone("one", "America/New_York")
    assert [number for part in await again() for number in part] == [item.number for item in created]


def test_contacts_with_different_changed_fields(monkeypatch: pytest.MonkeyPatch, compiled: Compiled) -> None:
    """Each needs another set of segments: not every set is compiled, and all are evaluated correctly.

    Sets that are needed often are compiled after a while, and only a few are cached.
    """
    monkeypatch.setattr(evaluators, "MAX_SELECTION_BYTES", 40_000)
    written = [rule(f"f{n % 8}", "x" if n % 3 else "y") for n in range(24)]
    nodes = {number: canonical.read(one, "UTC") for number, one in enumerate(written, 1)}
    known = ActiveSegments(1, UTC, conditions=nodes)
    with closing(sqlite3.connect(":memory:")) as connection:
        transaction = SQLiteTransaction(connection, SQLITE, ProcessCache())

    def met(numbers: frozenset[int], values: Mapping[str, str]) -> list[int]:
        evaluate = run_without_suspending(known.evaluator(transaction, numbers, 1))
        assert evaluate(None, 0) == []
        return evaluate(ContactView({}, values, (), UTC), 0)

    for length in range(1, 9):
        for names in combinations(range(8), length):
            asked = known.affected_by(f"attributes.f{name}" for name in names)
            assert met(asked, {f"f{name}": "x" for name in names}) == [n for n in sorted(asked) if n % 3 != 1]
    assert sum(map(len, compiled.take())) <= 3 * len(nodes), "every set was compiled"
    assert 0 < known.evaluators.selections.weight <= 40_000
    seldom, often = (
        known.affected_by(["attributes.f0", "attributes.f1"]),
        known.affected_by(["attributes.f7"]),
    )
    assert len(often) == 3
    for _ in range(evaluators.BREAK_EVEN_CONTACTS):
        assert met(often, {}) == []
    assert met(seldom, {}) == []
    assert sum(map(len, compiled.take())) <= len(often), "sets that are needed rarely were compiled"


def test_the_groups_stay_compiled(monkeypatch: pytest.MonkeyPatch, compiled: Compiled) -> None:
    """Functions of some conditions are evicted, but never those of the groups, on which they fall back."""
    monkeypatch.setattr(evaluators, "MAX_SELECTION_BYTES", 10_000)
    known = Evaluators({number: wide_condition(number, 2) for number in range(4)}, UTC)
    assert not known.are_compiled
    known.compile(known.all_numbers)
    assert known.are_compiled
    assert compiled.take() == [(0, 1, 2, 3)]
    for number in known.all_numbers:
        known.compile(frozenset({number}))
    assert compiled.take() == [(0,), (1,), (2,), (3,)]
    assert known.find(frozenset({0})) is None
    known.compile(known.all_numbers)
    known.compile(frozenset({0}))
    assert compiled.take() == []


def test_wide_conditions_are_not_compiled_twice(compiled: Compiled) -> None:
    """What does not fit into one function is evaluated by its groups, and the others are left alone."""
    known = Evaluators({number: wide_condition(number) for number in range(6)}, UTC)
    some = frozenset({1, 2, 4})
    assert known.compile(some, 10**6)(ContactView({}, {"s2_1": "x", "s3_1": "x"}, (), UTC), 0) == [2]
    assert compiled.take() == [(1,), (2,), (4,)]
    assert known.find(some, 10**6) is not None
    assert not known.are_compiled
    together = Evaluators({number: wide_condition(number, 130) for number in range(6)}, UTC)
    found = together.compile(frozenset({0, 1, 3, 4}), 10**6)
    assert found(ContactView({}, {"s4_1": "x", "s5_1": "x"}, (), UTC), 0) == [4]
    assert compiled.take() == [(0, 1, 2), (3, 4, 5)]


def test_functions_of_unchanged_conditions_are_taken_over(compiled: Compiled) -> None:
    """Another segment costs its own compilation; the functions of some conditions are kept, too."""
    nodes = {number: wide_condition(number, 130) for number in range(6)}
    first = Evaluators(nodes, UTC)
    first.compile(frozenset({0, 2}))
    first.compile(first.all_numbers)
    assert compiled.take() == [(0, 2), (0, 1, 2), (3, 4, 5)]
    second = Evaluators(nodes | {6: wide_condition(6, 130)}, UTC, first)
    assert second.find(frozenset({0, 2})) is not None
    second.compile(second.all_numbers)
    assert compiled.take() == [(6,)]
    changed = Evaluators(nodes | {2: wide_condition(7, 130)}, UTC, second)
    assert changed.find(frozenset({0, 2})) is None


def test_threads_compile_a_function_once(compiled: Compiled) -> None:
    """Threads that need the same function wait for one compilation."""
    known = Evaluators({number: wide_condition(number) for number in range(6)}, UTC)
    start = threading.Barrier(4)

    def work(_: int) -> list[int]:
        start.wait()
        return known.compile(known.all_numbers)(ContactView({}, {"s3_1": "x"}, (), UTC), 0)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[3]] * 4
    assert compiled.numbers == [(number,) for number in range(6)]


def test_equal_operands_of_different_types_compile_apart(compiled: Compiled) -> None:
    """A function is reused only for the same condition objects, because Python considers 1 and True equal."""
    old = {1: wide_condition(1), 2: canonical.read(rule("n"), "UTC")}
    first = Evaluators(old, UTC)
    first.compile(first.all_numbers)
    second = Evaluators({1: old[1], 2: canonical.read(rule("n"), "UTC")}, UTC, first)
    assert second.nodes == first.nodes
    second.compile(second.all_numbers)
    assert compiled.numbers == [(1, 2), (1, 2)]


def test_groups_are_bounded_and_keep_their_first_conditions() -> None:
    """After any additions, changes and deletions no group is too large, and few are small."""
    rng = Random(5)
    rules: dict[int, list[int]] = {}
    starts: list[int] = []
    last = 0
    assert divide({}) == []
    for _ in range(300):
        shared = rng.choice((10, 300, 100_000))
        for _ in range(rng.randrange(30)):
            last += rng.randrange(1, 4)
            count = rng.choice((1, 2, 3, 8, check.MAX_PREDICATES))
            rules[last] = [rng.randrange(shared) for _ in range(count)]
        for number in rng.sample(sorted(rules), rng.randrange(len(rules) + 1) if rng.random() < 0.2 else 0):
            del rules[number]
        groups = divide(rules, starts)
        assert [number for group in groups for number in group] == list(rules)
        sizes = [count_rules([rules[number] for number in group]) for group in groups]
        assert all(different <= MAX_DISTINCT_RULES and every <= MAX_RULES for different, every in sizes)
        for one, other in pairwise(groups):
            different, every = count_rules([rules[number] for number in one + other])
            assert 2 * different > MAX_DISTINCT_RULES or 2 * every > MAX_RULES, "two groups fit into one"
        starts = [group[0] for group in groups]
        assert divide(rules, starts) == groups, "the groups do not stay the same"


def count_rules(rules: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return the number of different rules of some conditions, and the number of all their rules."""
    every = [rule for own in rules for rule in own]
    return len(set(every)), len(every)
