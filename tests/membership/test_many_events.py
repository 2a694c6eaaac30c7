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
from diglot.service.contacts.events import Events
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.membership import log_expiry
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace
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
