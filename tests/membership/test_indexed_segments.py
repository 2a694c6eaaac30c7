"""Conditions are indexed off the event loop, and a change of one costs its own rules."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import explain, tree
from diglot.conditions.bulk.evaluator import BulkEvaluator
from diglot.conditions.index import condition_index
from diglot.conditions.index.condition_index import RULES_AT_ONCE
from diglot.conditions.index.matcher import Matcher
from diglot.conditions.python_compiler import MatchFunction, compile_to_python
from diglot.membership.active_segments import CACHE, ActiveSegments
from diglot.membership.index_ahead import index_ahead
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
from diglot.storage.tenant import bind_workspace
from support import canonical
from support.membership.random_world import NOW

UTC = ZoneInfo("UTC")
SEGMENTS = 20
RULES = 250


class Indexed:
    """A record of what was indexed, reduced or compiled: the conditions, and the threads of many rules."""

    def __init__(self) -> None:
        self.numbers: list[tuple[int, ...]] = []
        self.threads: set[int] = set()

    def note(self, nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> Matcher:
        """Index conditions, and record them."""
        self.numbers.append(tuple(nodes))
        if sum(len(list(tree.predicates_of(node))) for node in nodes.values()) > RULES_AT_ONCE:
            self.threads.add(threading.get_ident())
        return Matcher(nodes, zone)

    def note_compiled(self, nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchFunction:
        """Compile conditions, and record the thread."""
        self.threads.add(threading.get_ident())
        return compile_to_python(nodes, zone)

    def take(self) -> list[tuple[int, ...]]:
        """Return the conditions of each index made since the last call."""
        taken, self.numbers = self.numbers, []
        return taken


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> Indexed:
    """Record what is indexed, and what is compiled for an explanation."""
    result = Indexed()
    monkeypatch.setattr(condition_index, "Matcher", result.note)
    monkeypatch.setattr(explain, "compile_to_python", result.note_compiled)
    reduce = BulkEvaluator.reduce

    def note_reduced(evaluator: BulkEvaluator) -> None:
        result.threads.add(threading.get_ident())
        reduce(evaluator)

    monkeypatch.setattr(BulkEvaluator, "reduce", note_reduced)
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


async def test_a_large_workspace_keeps_the_event_loop_free(engine: Engine, indexed: Indexed) -> None:
    """Twenty segments of 250 rules are indexed on another thread, and evaluated correctly."""
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
    assert indexed.threads
    assert here not in indexed.threads


async def test_a_large_workspace_is_indexed_before_its_writes(engine: Engine, indexed: Indexed) -> None:
    """Parallel writes wait for one index, which none of them makes while it holds the lock."""
    caller = await caller_of(engine)
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments, contacts = Segments(engine, clock), Contacts(engine, clock)
    await index_ahead(engine, caller.workspace)
    await contacts.create(caller, ContactChange({"email": "before@example.com"}))
    indexed.take()
    created = [await segments.create(caller, new_segment(wide_condition(0)))]
    await asyncio.gather(*(index_ahead(engine, caller.workspace) for _ in range(5)))
    assert indexed.take() == [], "so few rules are indexed by the write"
    created += [await segments.create(caller, new_segment(wide_condition(number))) for number in range(1, 9)]
    await asyncio.gather(*(index_ahead(engine, caller.workspace) for _ in range(5)))
    assert indexed.take() == [tuple(item.number for item in created)]
    await contacts.create(caller, ContactChange({"email": "after@example.com"}))
    assert indexed.take() == []
    created.append(await segments.create(caller, new_segment(wide_condition(9))))
    await contacts.create(caller, ContactChange({"email": "later@example.com"}))
    assert indexed.take() == [(created[-1].number,)], "more than the last segment was left to the write"


async def test_an_import_is_indexed_before_its_parts(engine: Engine, indexed: Indexed) -> None:
    """Neither the index nor the reduced conditions are left to a part, which holds the lock."""
    caller = await caller_of(engine)
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments, contacts = Segments(engine, clock), Contacts(engine, clock)
    for number in range(8):
        await segments.create(caller, new_segment(wide_condition(number)))
    engine.process_cache.of(CACHE).clear()
    indexed.threads.clear()
    rows = [ContactChange({"email": f"{number}@example.com"}, {"s3_1": "x"}) for number in range(120)]
    result = await contacts.import_all(caller, rows)
    assert result.created == len(rows)
    assert indexed.take() == [tuple(range(1, 9))]

    async def get_thread(_: Transaction) -> int:
        return threading.get_ident()

    assert indexed.threads
    assert await engine.write(get_thread) not in indexed.threads


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


async def test_nothing_large_is_indexed_on_the_event_loop(engine: Engine, indexed: Indexed) -> None:
    """Imports, time, changes of time zone, verification and explanations all leave it to another thread."""
    caller, here = await caller_of(engine), threading.get_ident()
    now = [NOW]
    segments, contacts = Segments(engine, lambda: now[0]), Contacts(engine, lambda: now[0])
    days = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}
    created = [await segments.create(caller, new_segment(canonical.read(days, "UTC"))) for _ in range(25)]
    opened = [ContactChange({"email": f"{n}@example.com", "last_opened_at": NOW}) for n in range(3)]

    async def is_off_loop(step: Callable[[], object]) -> None:
        indexed.threads.clear()
        await segments.create(caller, new_segment(wide_condition(len(created), 230)))
        await step()  # type: ignore[misc]
        assert indexed.threads, "nothing was indexed or compiled"
        assert here not in indexed.threads

    await is_off_loop(lambda: contacts.import_all(caller, opened))

    async def advance_clock() -> None:
        now[0] += 2 * 86_400_000_000
        await engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, now[0])))

    await is_off_loop(advance_clock)
    await is_off_loop(lambda: Workspaces(engine).set_time_zone("one", "America/New_York"))
    explanations = Explanations(engine, lambda: now[0])
    await is_off_loop(lambda: explanations.explain(caller, created[0].id, "0@example.com"))

    async def inside(transaction: Transaction) -> None:
        explanation = Explanations(NestedEngine(transaction), lambda: now[0])
        await explanation.explain(caller, created[0].id, "0@example.com")

    await is_off_loop(lambda: engine.write(inside))


async def test_a_changed_segment_leaves_the_index_of_others(engine: Engine, indexed: Indexed) -> None:
    """Only changed conditions are indexed again; a static segment changes none."""
    caller = await caller_of(engine)
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments, contacts = Segments(engine, clock), Contacts(engine, clock)
    people = iter(range(100))

    async def again() -> list[tuple[int, ...]]:
        indexed.take()
        await contacts.create(caller, ContactChange({"email": f"{next(people)}@example.com"}))
        return indexed.take()

    created = [await segments.create(caller, new_segment(wide_condition(number, 130))) for number in range(8)]
    numbers = [item.number for item in created]
    assert await again() == [tuple(numbers)]
    assert await again() == []
    created.append(await segments.create(caller, new_segment(wide_condition(8, 130))))
    assert await again() == [(created[8].number,)]
    changed = Condition(wide_condition(1, 129), OriginalText("canonical", "{}"))
    await segments.update(caller, created[1].id, SegmentChange(condition=changed))
    assert await again() == [(numbers[1],)]
    await segments.delete(caller, created.pop(3).id)
    assert await again() == []
    await segments.create(caller, NewSegment("static", created[0].condition, type=SegmentType.STATIC))
    assert await again() == []
    await Workspaces(engine).set_time_zone("one", "America/New_York")
    assert await again() == [tuple(item.number for item in created)]
