"""The next changes by time that a write lowers in memory are those that the database has."""

from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates
from diglot.conditions.relative_dates import NEVER
from diglot.membership import active_segments
from diglot.membership.writer import load_active_segments
from diglot.model.contacts import ContactChange
from diglot.model.events import ContactRef, EventKind, NewEvent, OccurredAt
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.storage.membership import segment_state
from diglot.storage.sql.engine import Engine
from diglot.storage.write_unit import WriteUnit, lock_workspace
from support import canonical
from support.reporting import SEED

NOW: Final = 1_772_366_400_000_000
RULES: Final[tuple[dict[str, Any], ...]] = (
    *({"field": f"events.seen.count.{days}d", "operator": "gte", "operand": days} for days in (1, 2, 3)),
    {"field": "events.seen.sum.n.2d", "operator": "gt", "operand": 3},
    {"field": "events.seen.last_at", "operator": "exactly_days_ago", "operand": 2},
    {"field": "events.bought.first_at", "operator": "more_than_days_ago", "operand": 3},
    {
        "all": [
            {"field": "events.bought.count.2d", "operator": "gte", "operand": 1},
            {"field": "events.seen.count.3d", "operator": "equals", "operand": 0},
        ]
    },
)


async def test_they_are_as_stored(engine: Engine, pytestconfig: pytest.Config) -> None:
    """After events of now and of days ago; the instants that change nothing are told by one comparison."""
    rng = Random(pytestconfig.stash[SEED])
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
    clock = [NOW]
    segments, contacts = Segments(engine, lambda: clock[0]), Contacts(engine, lambda: clock[0])
    events = Events(engine, lambda: clock[0])
    for number, rule in enumerate(RULES):
        condition = Condition(canonical.read(rule), OriginalText("canonical", "{}"))
        await segments.create(caller, NewSegment(f"segment {number}", condition))
    ids = [
        (await contacts.create(caller, ContactChange({"email": f"c{number}@example.com"}))).id
        for number in range(4)
    ]
    for _ in range(60):
        clock[0] += rng.choice((1, dates.SECOND, dates.DAY // 3))
        body = f'{{"data":{{"n":{rng.randrange(-3, 5)}}}}}'
        happened = OccurredAt(clock[0] - rng.choice((0, 0, rng.randrange(4 * dates.DAY))), ("timestamp",))
        new = NewEvent(EventKind.OTHER, rng.choice(("seen", "bought")), body, happened)
        await events.record(caller, ContactRef(rng.choice(ids), None), new)
        await engine.write(lock_workspace(workspace.number, lambda: clock[0], _require_stored))


async def _require_stored(unit: WriteUnit) -> None:
    active = await load_active_segments(unit)
    known = await active_segments.get_next_changes(unit, active)
    stored = {row[0]: row[1] for row in await segment_state.load_next_changes(unit)}
    assert known.by_segment == stored
    for relative_date, latest in known.latest_by_date.items():
        numbers = active.by_relative_date[relative_date]
        assert latest >= max(stored.get(number, NEVER) for number in numbers)
