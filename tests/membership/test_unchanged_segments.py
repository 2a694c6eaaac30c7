"""A patch that changes nothing writes nothing, although time has passed since the last write."""

from functools import partial
from zoneinfo import ZoneInfo

from diglot.conditions import dates
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, SegmentPatch, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.sql.engine import Engine
from support import canonical
from support.membership.random_world import NOW

FRESH = {"field": "created_at", "operator": "in_last_days", "operand": 1}
CONDITION = Condition(canonical.read(FRESH, "UTC"), OriginalText("canonical", "{}"))


async def test_an_unchanged_segment_keeps_its_next_change(engine: Engine) -> None:
    """The next change by time stays as stored, because the patch does not advance the workspace clock."""
    now = NOW
    create = partial(get_or_create_workspace, name="one", time_zone="UTC", now=NOW)
    workspace = await engine.write(create)
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    segments = Segments(engine, lambda: now)
    await Contacts(engine, lambda: now).create(caller, ContactChange({"email": "ada@example.com"}))
    created = await segments.create(caller, NewSegment("fresh", CONDITION))
    stored = await segments.get(caller, created.id)
    now += 2 * dates.DAY
    await segments.update(caller, created.id, SegmentPatch(name="fresh", condition=CONDITION))
    assert await segments.get(caller, created.id) == stored
    await segments.update(caller, created.id, SegmentPatch(name="renamed"))
    assert (await segments.get(caller, created.id)).next_change_at > stored.next_change_at
