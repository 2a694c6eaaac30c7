"""A segment that waits for its first evaluation loses no change when a write evaluates it."""

from functools import partial
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates
from diglot.membership import evaluate, passage_of_time
from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.sql.engine import Engine
from support import canonical
from support.membership.random_world import NOW

FRESH = {"field": "created_at", "operator": "in_last_days", "operand": 1}
CONDITION = Condition(canonical.read(FRESH, "UTC"), OriginalText("canonical", "{}"))


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.mark.parametrize("way", ["the clock goes back", "time moves too many contacts"])
async def test_a_write_that_evaluates_a_pending_segment_is_counted(
    engine: Engine, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contact of the write is a member at once, because its change goes to the log."""
    clock = Clock()
    create = partial(get_or_create_workspace, name="one", time_zone="UTC", now=NOW)
    workspace = await engine.write(create)
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    contacts, segments = Contacts(engine, clock), Segments(engine, clock)
    await contacts.create(caller, ContactChange({"email": "first@example.com"}))
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
    segment = await segments.create(caller, NewSegment("fresh", CONDITION))
    assert segment.members is None
    if way == "the clock goes back":
        clock.now -= 120 * dates.SECOND
        expected = {"first@example.com", "last@example.com"}
    else:
        monkeypatch.setattr(passage_of_time, "MAX_CROSSING", 0)
        clock.now += 2 * dates.SECOND
        await contacts.create(caller, ContactChange({"email": "second@example.com"}))
        clock.now += 2 * dates.DAY
        expected = {"last@example.com"}
    await contacts.create(caller, ContactChange({"email": "last@example.com"}))
    page = await segments.list_members(caller, segment.id, Window(0, 10))
    assert {contact.email for contact in page.items} >= {"last@example.com"}
    assert page.total == len(page.items) == (await segments.count_members(caller, segment.id)).members
    assert {contact.email for contact in page.items} <= expected
