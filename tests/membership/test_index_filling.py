"""An index that is filled in parts is right, whoever fills it and whatever becomes of the segment."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyroaring import BitMap

from diglot.background.first_evaluation import FirstEvaluation
from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_condition
from diglot.membership.event_index import filling
from diglot.membership.event_index.filling import IndexFilling
from diglot.membership.writer import tick
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, EventKind, NewEvent
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.storage.background import due_work
from diglot.storage.contacts import history_index
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical

NOW = 1_772_366_400_000_000
CONTACTS = 8
Step = Callable[[Any], Awaitable[Any]]


@pytest.fixture
async def caller(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Create a workspace of contacts that have an event each."""
    monkeypatch.setattr(filling, "MAX_EVENTS_INLINE", 0)
    monkeypatch.setattr(filling, "EVENTS_PER_PART", 2)
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    for number in range(CONTACTS):
        change = ContactChange({"email": f"c{number}@example.com"})
        made = await Contacts(engine, clock).create(caller, change)
        await Events(engine, clock).record(
            caller, ContactRef(made.id, None), NewEvent(EventKind.OTHER, "seen", "{}")
        )
    return caller


def clock() -> int:
    return NOW


def seen(*windows: str) -> tree.Node:
    """Return the condition that a contact has had an event in each of some windows."""
    rules = [
        {"field": f"events.seen.count.{window}", "operator": "gte", "operand": place + 1}
        for place, window in enumerate(windows)
    ]
    return canonical.read({"any": rules})


async def create(engine: Engine, caller: Caller, node: tree.Node) -> str:
    new = NewSegment("seen", Condition(node, OriginalText("canonical", "{}")))
    made = await Segments(engine, clock).create(caller, new)
    assert made.members is None
    return made.id


def fields_of(node: tree.Node) -> Sequence[str]:
    return sorted({predicate.field for predicate in tree.predicates_of(lower_condition(node))})


async def find_indexed(engine: Engine, caller: Caller, node: tree.Node) -> BitMap | None:
    """Return who has an instant in the index of the only field of a condition, None if it is not filled."""
    (predicate,) = tree.predicates_of(lower_condition(node))

    async def find(tenant: Tenant) -> BitMap | None:
        if await filling.find_unfilled(tenant, predicate):
            return None
        return await history_index.find_matching(tenant, predicate, NOW)

    return await engine.read(bind_workspace(caller.workspace, find))


@pytest.mark.parametrize("writes", range(1, CONTACTS))
async def test_two_processes_fill_one_index(
    engine: Engine, caller: Caller, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """A lease only avoids that both do it: the second one begins after each step of the first one."""
    node = seen("1d")
    await create(engine, caller, node)
    (field,) = fields_of(node)
    first, second = (IndexFilling(engine, caller.workspace, field, clock) for _ in range(2))
    write, written = IndexFilling._write, {id(first): 0, id(second): 0}

    class Stopped(Exception):
        """The second process waits."""

    async def write_in_turns(self: IndexFilling, step: Step) -> Any:
        written[id(self)] += 1
        if self is first and written[id(first)] == writes + 1:
            with pytest.raises(Stopped):
                await second.run()
        if self is second and written[id(second)] == 3 and written[id(first)] == writes + 1:
            raise Stopped
        return await write(self, step)

    monkeypatch.setattr(IndexFilling, "_write", write_in_turns)
    filled = await first.run()
    found = await find_indexed(engine, caller, node)
    assert filled is (found is not None)
    assert found is None or len(found) == CONTACTS
    assert await second.run()
    found = await find_indexed(engine, caller, node)
    assert found is not None
    assert len(found) == CONTACTS


async def test_no_index_is_filled_for_a_deleted_segment(
    engine: Engine, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second field is not begun, because no write would follow it until another segment needs it."""
    node = seen("1d", "2d")
    id_ = await create(engine, caller, node)
    write, written = IndexFilling._write, 0

    async def delete_before_second(self: IndexFilling, step: Step) -> Any:
        nonlocal written
        written += 1
        if written == 2:
            await Segments(engine, clock).delete(caller, id_)
        return await write(self, step)

    monkeypatch.setattr(IndexFilling, "_write", delete_before_second)
    for place in await engine.read(due_work.list_pending_segments):
        assert not await FirstEvaluation(engine, clock).run(place)
    assert written > 2

    async def load(tenant: Tenant) -> frozenset[str]:
        assert not await history_index.load_filling_fields(tenant)
        return await history_index.load_indexed_fields(tenant)

    assert not await engine.read(bind_workspace(caller.workspace, load))


async def test_two_processes_evaluate_one_segment(engine: Engine, caller: Caller) -> None:
    """The second one begins while the first one scans, and a write comes in between."""
    rule = {"field": "events.seen.count.1d", "operator": "gte", "operand": 2}
    id_ = await create(engine, caller, canonical.read(rule))
    (place,) = await engine.read(due_work.list_pending_segments)
    first, second = FirstEvaluation(engine, clock), FirstEvaluation(engine, clock)
    await first._fill_indexes(place)
    await engine.write(bind_workspace(caller.workspace, partial(tick, now=NOW)))
    scan = await first.scan_segment(place)
    assert scan is not None
    assert not scan.members
    await Events(engine, clock).record(
        caller, ContactRef(None, "c0@example.com"), NewEvent(EventKind.OTHER, "seen", "{}")
    )
    await second._fill_indexes(place)
    assert await first.store_result(scan)
    assert (await Segments(engine, clock).count_members(caller, id_)).members == 1
