"""Events that arrive together share a unit, and each gets what it would have got alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from diglot.errors import Conflict, DatabaseBusy, DiglotError, InvalidInput, NotFound
from diglot.model.contacts import Contact, ContactChange
from diglot.model.events import (
    ContactEvent,
    ContactRef,
    EventFilter,
    EventKind,
    NewEvent,
    OccurredAt,
    RecordedEvent,
)
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.contacts import event_batches, event_writes
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.storage import workspaces
from diglot.storage.audience import event_states
from diglot.storage.audience import events as stored_events
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace

NOW: Final = 1_790_000_000_000_000
MANY: Final = 3_000


async def _create(engine: Engine, count: int = 40) -> tuple[Caller, Sequence[Contact]]:
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    service = Contacts(engine, lambda: NOW)
    changes = [ContactChange({"email": f"c{number}@example.com"}) for number in range(count)]
    return caller, [await service.create(caller, change) for change in changes]


def _new(name: str = "seen", **more: Any) -> NewEvent:
    return NewEvent(EventKind.OTHER, name, **more)


async def _record(
    events: Events, caller: Caller, reported: Sequence[tuple[ContactRef, NewEvent]]
) -> list[RecordedEvent | BaseException]:
    """Record events at the same time."""
    calls = (events.record(caller, ref, new) for ref, new in reported)
    return await asyncio.gather(*calls, return_exceptions=True)


async def _list(events: Events, caller: Caller) -> Sequence[RecordedEvent]:
    return (await events.list_page(caller, EventFilter(), Window(0, 1_000))).items


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of events of each unit that records some."""
    sizes: list[int] = []
    record_events = event_writes.record_events

    async def count(unit: Any, reported: Sequence[Any]) -> Any:
        sizes.append(len(reported))
        return await record_events(unit, reported)

    monkeypatch.setattr(event_batches, "record_events", count)
    return sizes


async def test_events_that_wait_share_a_unit(engine: Engine, units: list[int]) -> None:
    """Forty events of forty contacts take three units, the largest of which has as many as may be."""
    caller, people = await _create(engine)
    events = Events(engine, lambda: NOW)
    recorded = await _record(events, caller, [(ContactRef(one.id, None), _new()) for one in people])
    assert [one.contact_id for one in recorded if isinstance(one, RecordedEvent)] == [
        one.id for one in people
    ]
    assert units == [event_batches.MAX_EVENTS] * 2 + [8]
    assert len(await _list(events, caller)) == 40


async def test_events_of_one_contact_wait_for_each_other(engine: Engine, units: list[int]) -> None:
    """Those by one address are in units of their own; one by the id is found to be of the same contact."""
    caller, people = await _create(engine, 2)
    events = Events(engine, lambda: NOW)
    by_email, by_id = ContactRef(None, people[0].email), ContactRef(people[0].id, None)
    other = ContactRef(None, people[1].email)
    recorded = await _record(events, caller, [(ref, _new()) for ref in (by_email, by_email, by_id, other)])
    assert all(isinstance(one, RecordedEvent) for one in recorded)
    assert units == [3, 1]
    assert len(await _list(events, caller)) == 4
    state = await engine.read(
        bind_workspace(caller.workspace, lambda tenant: event_states.load_of_contact(tenant, people[0].pk))
    )
    assert state["seen"].count == 3


async def test_each_event_has_its_own_outcome(engine: Engine, units: list[int]) -> None:
    """What is wrong with some fails only those, and a repeated event is returned as it was."""
    caller, people = await _create(engine)
    events = Events(engine, lambda: NOW)
    refs = [ContactRef(one.id, None) for one in people]
    first = await events.record(caller, refs[0], _new(event_id="one"))
    future = OccurredAt(NOW + 10**12, ("timestamp",))
    outcomes = await _record(
        events,
        caller,
        [
            (ContactRef(None, "nobody@example.com"), _new()),
            (refs[1], _new(event_id="one")),
            (ContactRef(people[2].id, people[3].email), _new()),
            (refs[4], _new(occurred_at=future)),
            (refs[5], _new()),
            (refs[6], _new("a new name")),
            (refs[7], _new("a new name", event_id="two")),
        ],
    )
    assert [type(one) for one in outcomes] == [
        *(NotFound, Conflict, InvalidInput, InvalidInput),
        *(RecordedEvent, RecordedEvent, RecordedEvent),
    ]
    assert await events.record(caller, refs[0], _new(event_id="one")) == first
    assert units == [1, 7, 1]
    assert {one.contact_id for one in await _list(events, caller)} == {
        people[number].id for number in (0, 5, 6, 7)
    }


async def test_one_event_sent_at_the_same_time_is_one(engine: Engine) -> None:
    """The second one with an id waits, and is answered with the first."""
    caller, people = await _create(engine, 1)
    events = Events(engine, lambda: NOW)
    reported = ContactRef(people[0].id, None), _new(event_id="one")
    one, other = await _record(events, caller, [reported, reported])
    assert isinstance(one, RecordedEvent)
    assert one == other


async def test_nothing_is_written_if_no_event_is_recorded(engine: Engine) -> None:
    """A unit of events that all fail is rolled back: no count becomes older, no number is left out."""
    caller, people = await _create(engine, 1)
    events = Events(engine, lambda: NOW)

    def load(tenant: Any) -> Any:
        return workspaces.load_state(tenant)

    before = await engine.read(bind_workspace(caller.workspace, load))
    nobody = [(ContactRef(None, f"{number}@example.org"), _new()) for number in range(3)]
    outcomes = await _record(events, caller, nobody)
    assert [type(one) for one in outcomes] == [NotFound] * 3
    assert await engine.read(bind_workspace(caller.workspace, load)) == before
    recorded = await events.record(caller, ContactRef(people[0].id, None), _new())
    assert recorded.event.number == 1


async def test_an_event_that_cannot_be_stored_fails_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the unit fails, each of its events is tried alone, and only the one that is the reason fails."""
    caller, people = await _create(engine, 5)
    events = Events(engine, lambda: NOW)
    store_each = event_states.store_each

    async def store(unit: Any, stored: Sequence[Any]) -> Any:
        await store_each(unit, stored)
        if any(name == "bad" for _, name, _ in stored):
            raise ZeroDivisionError
        return [1] * len(stored)

    monkeypatch.setattr(event_states, "store_each", store)
    names = ("good", "good", "bad", "good", "good")
    reported = [(ContactRef(one.id, None), _new(name)) for one, name in zip(people, names, strict=True)]
    outcomes = await _record(events, caller, reported)
    assert [type(one) for one in outcomes] == [
        *(RecordedEvent, RecordedEvent, ZeroDivisionError, RecordedEvent, RecordedEvent)
    ]
    assert len(await _list(events, caller)) == 4


async def test_an_event_that_the_database_refuses_fails_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it is sent at the end of the unit, as PostgreSQL gets it."""
    caller, people = await _create(engine, 3)
    events = Events(engine, lambda: NOW)
    insert_events = stored_events.insert_events

    async def insert(tenant: Any, new: Sequence[tuple[int, ContactEvent]]) -> None:
        large = [(pk, replace(one, happened_at=2**70) if one.name == "bad" else one) for pk, one in new]
        await insert_events(tenant, large)

    monkeypatch.setattr(stored_events, "insert_events", insert)
    names = ("good", "bad", "good")
    reported = [(ContactRef(one.id, None), _new(name)) for one, name in zip(people, names, strict=True)]
    good, bad, other = await _record(events, caller, reported)
    assert isinstance(good, RecordedEvent)
    assert isinstance(bad, Exception)
    assert isinstance(other, RecordedEvent)
    assert len(await _list(events, caller)) == 2


async def test_an_event_that_may_be_committed_is_not_tried_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If something fails after the commit, no event counts twice."""
    caller, people = await _create(engine, 3)
    events = Events(engine, lambda: NOW)
    write = engine.write

    async def fail(*args: Any, **options: Any) -> Any:
        await write(*args, **options)
        raise ZeroDivisionError

    monkeypatch.setattr(engine, "write", fail)
    outcomes = await _record(events, caller, [(ContactRef(one.id, None), _new()) for one in people])
    assert [type(one) for one in outcomes] == [ZeroDivisionError] * 3
    assert len(await _list(events, caller)) == 3


@pytest.mark.parametrize("error", [DatabaseBusy("busy"), KeyboardInterrupt()], ids=["busy", "interrupted"])
async def test_no_event_waits_for_a_unit_that_never_began(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Each event gets the error of the unit, or ends with it; later ones begin another unit."""
    caller, people = await _create(engine, 3)
    events = Events(engine, lambda: NOW)
    write = engine.write
    reported = [(ContactRef(one.id, None), _new()) for one in people]

    async def fail(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(0)
        raise error if isinstance(error, DiglotError) else asyncio.CancelledError

    monkeypatch.setattr(engine, "write", fail)
    outcomes = await _record(events, caller, reported)
    expected = type(error) if isinstance(error, DiglotError) else asyncio.CancelledError
    assert [type(one) for one in outcomes] == [expected] * 3
    monkeypatch.setattr(engine, "write", write)
    assert all(isinstance(one, RecordedEvent) for one in await _record(events, caller, reported))


async def test_a_client_that_leaves_ends_no_other_event(engine: Engine) -> None:
    """The event of a client that left before its unit began is not recorded; the others are."""
    caller, people = await _create(engine, 3)
    events = Events(engine, lambda: NOW)
    tasks = [asyncio.ensure_future(events.record(caller, ContactRef(one.id, None), _new())) for one in people]
    await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [asyncio.CancelledError, RecordedEvent, RecordedEvent]
    assert {one.contact_id for one in await _list(events, caller)} == {one.id for one in people[1:]}
