"""Contacts with more events than a state has instants: counts in a window, to the microsecond."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.background.verification import Verification
from diglot.conditions import dates
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, EventKind, NewEvent, OccurredAt
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.event_writes import record_event
from diglot.service.contacts.events import Events
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.contacts import remembered_events
from diglot.storage.membership import log_expiry
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace
from support import canonical

NOW = 1_772_366_400_000_000
EVENTS = 70
LIMIT = 66
EVEN = {"all": [{"field": "n", "operator": "in", "operand": list(range(0, 200, 2))}]}
RULES: dict[str, dict[str, Any]] = {
    "all events": {"operator": "gte", "operand": LIMIT},
    "those that match": {"operator": "gte", "operand": LIMIT // 2, "where": EVEN},
}


@pytest.mark.parametrize("first", ["events", "segments"])
async def test_the_events_of_a_window_are_counted(engine: Engine, first: str) -> None:
    """Whether the events or the segments come first; the contact leaves a microsecond after its last one."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    clock = [NOW]
    segments, ids = Segments(engine, lambda: clock[0]), dict[str, str]()
    contact = await Contacts(engine, lambda: clock[0]).create(
        caller, ContactChange({"email": "a@example.com"})
    )

    async def create_segments() -> None:
        for name, rule in RULES.items():
            node = canonical.read({"field": "events.seen.count.1d", **rule})
            new = NewSegment(name, Condition(node, OriginalText("canonical", "{}")))
            ids[name] = (await segments.create(caller, new)).id

    async def record_events() -> None:
        for number in range(EVENTS):
            happened = OccurredAt(NOW - number * dates.SECOND, ("timestamp",))
            new = NewEvent(EventKind.OTHER, "seen", f'{{"data":{{"n":{number}}}}}', happened)
            await Events(engine, lambda: clock[0]).record(caller, ContactRef(contact.id, None), new)

    steps = (record_events, create_segments)
    for step in steps if first == "events" else reversed(steps):
        await step()
    # The newest event is number 0, so the numbers up to that of the rule are needed.
    leaves_at = {
        "all events": NOW - (LIMIT - 1) * dates.SECOND + dates.DAY,
        "those that match": NOW - (LIMIT - 2) * dates.SECOND + dates.DAY,
    }
    for moment in sorted(at + later for at in leaves_at.values() for later in (0, 1)):
        clock[0] = moment
        for name, id_ in ids.items():
            counted = await segments.get_with_count(caller, id_)
            assert counted.count == (moment <= leaves_at[name]), (name, moment)
            if counted.count:
                assert counted.segment.next_change_at == leaves_at[name] + 1
    for number in await engine.read(bind_workspace(workspace.number, log_expiry.list_segment_numbers)):
        verdict = await Verification(engine, lambda: clock[0]).compare(SegmentKey(workspace.number, number))
        assert verdict is not None
        assert verdict.is_correct


async def test_what_was_rolled_back_is_not_remembered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next event gets the number of one that was rolled back, and counts for what it is."""
    monkeypatch.setattr(remembered_events, "MIN_REMEMBERED", 1)
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    contact = await Contacts(engine, lambda: NOW).create(caller, ContactChange({"email": "a@example.com"}))
    where = {"all": [{"field": "n", "operator": "equals", "operand": 1}]}
    rule = {"field": "events.seen.count", "operator": "gte", "operand": 2, "where": where}
    node = canonical.read(rule)
    segments = Segments(engine, lambda: NOW)
    made = await segments.create(
        caller, NewSegment("twice", Condition(node, OriginalText("canonical", "{}")))
    )

    async def record(number: int, *, fails: bool = False) -> None:
        async def work(unit: WriteUnit) -> None:
            new = NewEvent(EventKind.OTHER, "seen", f'{{"data":{{"n":{number}}}}}')
            await record_event(unit, ContactRef(contact.id, None), new)
            if fails:
                raise RuntimeError

        await engine.write(lock_workspace(workspace.number, lambda: NOW, work))

    for number in (1, 0):
        with pytest.raises(RuntimeError):
            await record(1, fails=True)
        await record(number)
        assert (await segments.count_members(caller, made.id)).members == 0
    await record(1)
    assert (await segments.count_members(caller, made.id)).members == 1
