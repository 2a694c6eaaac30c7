"""What a process remembers of a contact's events is committed, also after units and commits that fail."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from diglot.background.verification import Verification
from diglot.errors import DatabaseBusy
from diglot.model.contacts import Contact, ContactChange
from diglot.model.events import ContactRef, EventKind, NewEvent
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.storage.audience import events as stored_events
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.connect import create_engine
from diglot.storage.contacts import remembered_events
from diglot.storage.membership import log_expiry
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.pool.sqlite import units
from diglot.storage.tenant import bind_workspace
from support import canonical, engines

NOW: Final = 1_790_000_000_000_000
REMEMBERED: Final = 5


@pytest.fixture(autouse=True)
def _remember_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered_events, "MIN_REMEMBERED", REMEMBERED)


def _new() -> NewEvent:
    return NewEvent(EventKind.OTHER, "seen", '{"data":{"n":2}}')


async def _fill(engine: Engine) -> tuple[Caller, Sequence[Contact]]:
    """Create contacts, of which the last has events that are remembered, and segments by its next ones."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    contacts, segments = Contacts(engine, lambda: NOW), Segments(engine, lambda: NOW)
    changes = [ContactChange({"email": f"c{number}@example.com"}) for number in range(6)]
    people = [await contacts.create(caller, change) for change in changes]
    where = {"all": [{"field": "n", "operator": "equals", "operand": 2}]}
    for count in range(REMEMBERED, 3 * REMEMBERED):
        rule = {"field": "events.seen.count", "operator": "gte", "operand": count, "where": where}
        condition = Condition(canonical.read(rule), OriginalText("canonical", "{}"))
        await segments.create(caller, NewSegment(f"s{count}", condition))
    events = Events(engine, lambda: NOW)
    for _ in range(REMEMBERED + 1):
        await events.record(caller, ContactRef(people[-1].id, None), _new())
    return caller, people


async def _verify(engine: Engine, caller: Caller) -> None:
    verification = Verification(engine, lambda: NOW)
    for number in await engine.read(bind_workspace(caller.workspace, log_expiry.list_segment_numbers)):
        verdict = await verification.compare(SegmentKey(caller.workspace, number))
        assert verdict is not None
        assert verdict.is_correct, (number, verdict)


async def test_numbers_of_a_failed_unit_are_given_again(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process gives one to an event of a contact that stood late in the unit."""
    caller, people = await _fill(engine)
    events, refs = Events(engine, lambda: NOW), [ContactRef(one.id, None) for one in people]
    other = create_engine(url)
    await other.open()

    async def fail(*_: Any) -> None:
        raise DatabaseBusy("busy")

    with monkeypatch.context() as patched:
        patched.setattr(stored_events, "insert_events", fail)
        calls = (events.record(caller, ref, _new()) for ref in refs)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in outcomes] == [DatabaseBusy] * len(people)
    others = Events(other, lambda: NOW)
    for ref in (refs[-1], *refs[:-1]):
        await others.record(caller, ref, _new())
    await events.record(caller, refs[-1], _new())
    await _verify(engine, caller)
    await other.close()


async def test_a_failed_commit_leaves_nothing_to_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several units of SQLite in one commit have read each other's events."""
    async with engines.SQLITE.fresh() as url:
        engine = create_engine(url)
        await engine.open()
        caller, people = await _fill(engine)
        ref, run_all = ContactRef(people[-1].id, None), units._run_all

        def fail(*given: Any, **options: Any) -> Any:
            run_all(*given, **options)
            raise OSError("the commit failed")

        with monkeypatch.context() as patched:
            patched.setattr(units, "_run_all", fail)
            # Of several services, so that each event is a unit of its own.
            calls = (Events(engine, lambda: NOW).record(caller, ref, _new()) for _ in range(3))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in outcomes] == [OSError] * 3
        for _ in range(3):
            await Events(engine, lambda: NOW).record(caller, ref, _new())
            await _verify(engine, caller)
        await engine.close()
